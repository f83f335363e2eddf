"""Comparison of the object keywords beside `properties`: sizes, maps and conditional requirements."""

from __future__ import annotations

from tillgate_contracts.compare.schema.accepts import accepts
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import BOTH, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import BESIDE, NodeComparison
from tillgate_contracts.compare.schema.empty import STILL_LOOKED_FOR, is_ended
from tillgate_contracts.compare.schema.limits import compare_least, compare_most
from tillgate_contracts.compare.schema.node import Node, is_plain
from tillgate_contracts.compare.schema.patterns import is_free
from tillgate_contracts.compare.schema.source import Parts
from tillgate_contracts.compare.schema.values import has_type


def compare_min_properties(comparison: NodeComparison) -> None:
    old, new = comparison.old.min_properties, comparison.new.min_properties
    demanded = _demanded(comparison, comparison.new) if new < old else _demanded(comparison, comparison.old)
    if max(old, new) <= demanded:
        return  # as many names are required as it is about
    compare_least(comparison, "min-properties", "minProperties", old, new)


def _demanded(comparison: NodeComparison, node: Node) -> int:
    """How many properties the objects of a node have at least, by name."""
    hidden = {"request": "read_only", "response": "write_only"}.get(comparison.direction.name, "")
    builder = comparison.graph.old if node is comparison.old else comparison.graph.new
    parts = [node.properties.get(name) for name in node.required]
    return sum(not (hidden and one and getattr(builder.node(one), hidden)) for one in parts)


def compare_max_properties(comparison: NodeComparison) -> None:
    old, new = comparison.old.max_properties, comparison.new.max_properties
    compare_most(comparison, "max-properties", "maxProperties", old, new)


def compare_additional_properties(comparison: NodeComparison) -> None:
    old, new = _tail(comparison.old), _tail(comparison.new)
    if comparison.old.additional is None and comparison.new.additional is None:
        if old is not None and new is not None:
            comparison.child(old, new, direction=comparison.direction.of_property)
        return
    places = {
        "old_pointer": comparison.old.additional_pointer or comparison.old.pointer,
        "new_pointer": comparison.new.additional_pointer or comparison.new.pointer,
    }
    closed_old = old is not None and comparison.graph.old.node(old).never
    closed_new = new is not None and comparison.graph.new.node(new).never
    if closed_old and closed_new:
        return
    if not comparison.old.properties and comparison.old.additional and is_ended(comparison, old or (), new or ()):
        comparison.add("entries-ended", NONE, **places, data={"reason": STILL_LOOKED_FOR})
    if closed_new:
        comparison.add("additional-properties-closed", NARROWS, True, False, **places)
    elif closed_old:
        comparison.add("additional-properties-opened", WIDENS, False, True, **places)
    else:
        key = comparison.graph.link(old or (), new or (), comparison.direction.of_property)
        if old is not None and new is not None:
            comparison.child(old, new, direction=comparison.direction.of_property)
        elif comparison.graph.relation(key):
            kind, effect = (
                ("additional-properties-restricted", NARROWS)
                if old is None
                else ("additional-properties-freed", WIDENS)
            )
            comparison.add(kind, effect, None, None, **places)
        elif old is not None:
            comparison.child(old, (), direction=comparison.direction.of_property)  # what its values lose is told


def _tail(node: Node) -> Parts | None:
    """What holds for the names that no other keyword describes (None: anything)."""
    if node.additional is not None:
        return node.additional
    return node.unevaluated_properties if is_plain(node) else None


def compare_pattern_properties(comparison: NodeComparison) -> None:
    old, new = comparison.old.pattern_properties, comparison.new.pattern_properties
    for pattern in dict.fromkeys([*old, *new]):
        mine, theirs = old.get(pattern), new.get(pattern)
        if mine is not None and theirs is not None:
            comparison.child(mine, theirs, direction=comparison.direction.of_property)
            continue
        rest = _tail(comparison.old if mine is None else comparison.new)
        # Where only additionalProperties describes these names, it decides; where nothing does, they are open. Other
        # patterns of that side may describe some of them too, and then either may happen.
        if mine is None and theirs is not None:
            key = comparison.graph.link(rest or (), theirs, comparison.direction.of_property)
            effect = comparison.graph.relation(key)
            if not rest:
                effect = NARROWS if effect else NONE
            elif effect:
                effect = BOTH if old else effect
            comparison.add("pattern-property-added", effect, None, pattern, "patternProperties")
        elif mine is not None:
            key = comparison.graph.link(mine, rest or (), comparison.direction.of_property)
            effect = comparison.graph.relation(key)
            if not rest:
                effect = WIDENS if effect else NONE
            elif effect:
                effect = BOTH if new else effect
            comparison.add("pattern-property-removed", effect, pattern, None, "patternProperties")


def compare_property_names(comparison: NodeComparison) -> None:
    """`propertyNames`. Where only some names can occur, each of them is asked."""
    old, new = comparison.old.names, comparison.new.names
    builders = comparison.graph.old, comparison.graph.new
    effect = NONE
    if not _names_fit(comparison.old, builders[0], new, builders[1]):
        effect |= NARROWS
    if not _names_fit(comparison.new, builders[1], old, builders[0]):
        effect |= WIDENS
    if old is not None and new is not None:
        comparison.child(old, new, mask=effect, direction=comparison.direction.of_name)
    elif new is not None and not builders[1].node(new).is_free:
        comparison.add("property-names-added", effect & NARROWS, keyword="propertyNames")
    elif old is not None and not builders[0].node(old).is_free:
        comparison.add("property-names-removed", effect & WIDENS, keyword="propertyNames")


def _names_fit(node: Node, own: Builder, names: Parts | None, builder: Builder) -> bool:
    """True where every name that an object of a node can have surely fits a schema of names."""
    if names is None or _admits_all_names(builder.node(names)):
        return True
    tail = _tail(node)
    if tail is None or not own.node(tail).never or node.pattern_properties or not is_plain(node):
        return False
    possible = [name for name, parts in node.properties.items() if not own.node(parts).never]
    return all(accepts(builder, builder.node(names), name) is True for name in possible)


def _admits_all_names(demand: Node) -> bool:
    """True where a schema accepts every name: what it says of other types counts as little as a free pattern."""
    return has_type(demand.types, "string") and not (
        demand.never
        or demand.enum is not None
        or demand.min_length
        or demand.max_length is not None
        or demand.formats
        or demand.content_encoding
        or demand.content_media_type
        or demand.groups
        or demand.nots
        or demand.conditionals
        or demand.unresolved
        or not all(map(is_free, demand.patterns))
    )


def compare_dependent_required(comparison: NodeComparison) -> None:
    """`dependentRequired`, and `dependencies` that list names."""
    old, new = comparison.old.dependent_required, comparison.new.dependent_required
    word = (
        "dependentRequired"
        if "dependentRequired" in {**comparison.old.where, **comparison.new.where}
        else "dependencies"
    )
    for name in dict.fromkeys([*old, *new]):
        # A name that is required anyway is no longer a condition; one that was required anyway is no new condition.
        before, after = old.get(name, frozenset()), new.get(name, frozenset())
        if before == after:
            continue
        effect = NARROWS if after - before - comparison.old.required.keys() else NONE
        effect |= WIDENS if before - after - comparison.new.required.keys() else NONE
        verb = "added" if not before else "removed" if not after else "changed"
        comparison.add(
            f"dependent-required-{verb}", effect, sorted(before) or None, sorted(after) or None, word, name=name
        )


def compare_dependent_schemas(comparison: NodeComparison) -> None:
    """`dependentSchemas`, and `dependencies` that hold schemas."""
    old, new = comparison.old.dependent_schemas, comparison.new.dependent_schemas
    word = (
        "dependentSchemas" if "dependentSchemas" in {**comparison.old.where, **comparison.new.where} else "dependencies"
    )
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new:
            key = comparison.child(old[name], new[name])
            beside = comparison.named_beside(key) & ~comparison.graph.relation(key)
            if beside:
                comparison.add(
                    "dependent-schema-undecided",
                    beside,
                    None,
                    name,
                    word,
                    name=name,
                    undecided=True,
                    data={"reason": BESIDE},
                )
        elif name in new and not comparison.graph.new.node(new[name]).is_free:
            comparison.add("dependent-schema-added", NARROWS, None, name, word, name=name)
        elif name in old and not comparison.graph.old.node(old[name]).is_free:
            comparison.add("dependent-schema-removed", WIDENS, name, None, word, name=name)


def compare_unevaluated_properties(comparison: NodeComparison) -> None:
    old, new = comparison.old.unevaluated_properties, comparison.new.unevaluated_properties
    if old is not None and new is not None:
        if not (is_plain(comparison.old) and is_plain(comparison.new)):
            comparison.child(old, new, direction=comparison.direction.of_property)
    elif new is not None and (comparison.old.additional is None or comparison.new.tangled):
        comparison.add("unevaluated-properties-added", NARROWS, keyword="unevaluatedProperties")
    elif old is not None and (comparison.new.additional is None or comparison.old.tangled):
        comparison.add("unevaluated-properties-removed", WIDENS, keyword="unevaluatedProperties")
