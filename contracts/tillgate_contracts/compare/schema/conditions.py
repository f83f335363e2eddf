"""Comparison of discriminators, `not` and `if`/`then`/`else`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import BOTH, EXACT, NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison, is_odata
from tillgate_contracts.compare.schema.node import Node
from tillgate_contracts.compare.schema.source import DROP_IF, Parts
from tillgate_contracts.compare.schema.tags import Tags, own_tags, read_tags


def compare_discriminators(comparison: NodeComparison) -> None:
    """The property that chooses a branch; what it chooses is compared by tag (`tagged.py`)."""
    old, new = comparison.old.discriminator, comparison.new.discriminator
    if old == new:
        return
    if (old is None or new is None) and is_odata(comparison):
        return  # the types that are derived, or no longer, are told one by one
    if old is None or new is None:
        verb = "added" if old is None else "removed"
        names = [None if side is None else str(side.get("propertyName")) for side in (old, new)]
        effect, reason = _reach(comparison, gone=new is None)
        comparison.add(
            f"discriminator-{verb}",
            effect,
            names[0],
            names[1],
            "discriminator",
            undecided=bool(effect),
            data={"reason": f"Cannot tell automatically whether {reason}."} if effect else {},
        )
        return
    before, after = str(old.get("propertyName")), str(new.get("propertyName"))
    if before != after:
        comparison.add("discriminator-property-name-changed", BOTH, before, after, "discriminator")
    else:
        _own_tags(comparison)


def _own_tags(comparison: NodeComparison) -> None:
    """The tags that choose this schema itself by the mapping of a parent, which its values carry wherever they stand.

    Where the schema is a union, or a parent with children, its tags are compared one by one (`tagged.py`).
    """
    old, new = comparison.old, comparison.new
    builders = comparison.graph.old, comparison.graph.new
    if any(read_tags(builder, node) is not None for builder, node in zip(builders, (old, new), strict=True)):
        return
    before, after = (own_tags(builder, node) for builder, node in zip(builders, (old, new), strict=True))
    if before != after:
        comparison.add(
            "discriminator-tag-undecided",
            BOTH,
            ", ".join(before) or "none",
            ", ".join(after) or "none",
            "discriminator",
            undecided=True,
            data={"reason": "Cannot tell automatically whether its values are told apart by it."},
        )


def _reach(comparison: NodeComparison, *, gone: bool) -> tuple[int, str]:
    """What a discriminator that came or went does to values, and what cannot be told of it. It rules out every tag but
    its own (OpenAPI 3.1.1 section 4.8.25)."""
    with_one, without = (comparison.old, comparison.new) if gone else (comparison.new, comparison.old)
    builder = comparison.graph.old if gone else comparison.graph.new
    if with_one.subtypes and not with_one.groups:
        return BOTH, "its subtypes are meant"
    tags = read_tags(builder, with_one) if with_one.groups and without.groups else None
    if tags is None or _is_limited(builder, with_one, tags):
        return NONE, ""
    harmful = WIDENS if comparison.direction.outward else NARROWS
    return (WIDENS if gone else NARROWS) & harmful, "values have other tags"


def _is_limited(builder: Builder, node: Node, tags: Tags) -> bool:
    """True where the schemas themselves demand the tags that choose them, and no others."""
    if tags.loose or tags.default is not None:
        return False
    name = str((node.discriminator or {}).get("propertyName"))
    own: dict[str, set[str]] = {}
    for tag, target in tags.by_tag.items():
        own.setdefault(target.key, set()).add(tag)
    for target in tags.by_tag.values():
        branch = builder.node(target.parts)
        parts = branch.properties.get(name) or node.properties.get(name)
        values = builder.node(parts).enum if parts else None
        if values is None or not all(isinstance(value, str) and value in own[target.key] for value in values.values()):
            return False
        if name not in branch.required and name not in node.required:
            return False
    return True


def compare_negations(comparison: NodeComparison) -> None:
    """`not`: equal ones cancel out; a single pair is compared with narrowing and widening exchanged."""
    old, new = list(comparison.old.nots), list(comparison.new.nots)
    graph = comparison.graph
    for alike in (lambda key: key is None, lambda key: not graph.relation(key, EXACT)):
        for mine in list(old):
            found = next((other for other in new if alike(graph.link(mine, other, comparison.direction))), None)
            if found is not None:
                comparison.child(mine, found, negated=True)
                old.remove(mine)
                new.remove(found)
    if len(old) == 1 and len(new) == 1:
        comparison.child(old[0], new[0], negated=True)
        return
    for parts in new:
        if not comparison.graph.new.node(parts).never:
            comparison.add("not-added", NARROWS, keyword="not")
    for parts in old:
        if not comparison.graph.old.node(parts).never:
            comparison.add("not-removed", WIDENS, keyword="not")


def compare_conditionals(comparison: NodeComparison) -> None:
    """`if`/`then`/`else`: compared under an equal condition, else added, removed or changed as a whole."""
    old, new = (
        [one for one in node.conditionals if one.then[0].raw is not True or one.otherwise[0].raw is not True]
        for node in (comparison.old, comparison.new)
    )
    graph, direction = comparison.graph, comparison.direction
    for mine in list(old):
        for theirs in list(new):
            if not graph.relation(graph.link(mine.condition, theirs.condition, direction)):
                _consequence(comparison, mine.then, theirs.then)
                _consequence(comparison, mine.otherwise, theirs.otherwise)
                old.remove(mine)
                new.remove(theirs)
                break
    if old and new:
        comparison.add(
            "condition-changed",
            BOTH,
            keyword="if",
            data={
                "reason": "Cannot tell automatically whom it affects: the same value may now fall under another branch."
            },
        )
        return
    for conditional, verb, effect in [
        *((item, "added", NARROWS) for item in new),
        *((item, "removed", WIDENS) for item in old),
    ]:
        comparison.add(f"if-{verb}", effect, keyword="if")
        if conditional.then[0].raw is not True:
            comparison.add(f"then-{verb}", effect, keyword="if")
        if conditional.otherwise[0].raw is not True:
            comparison.add(f"else-{verb}", effect, keyword="if")


def same_reach(comparison: NodeComparison) -> bool:
    """Whether all that evaluates items or properties for some values only is written alike: what a branch evaluates is
    not told by what it accepts (JSON Schema 2020-12 Core 11.2 and 11.3)."""
    old, new, same = comparison.old, comparison.new, comparison.graph.sameness.same_parts
    if old.dependent_schemas.keys() != new.dependent_schemas.keys():
        return False
    return (
        all(same(parts, new.dependent_schemas[name]) for name, parts in old.dependent_schemas.items())
        and _same_lists(old.conditionals, new.conditionals, same)
        and _same_lists([(one.schema,) for one in old.contains], [(one.schema,) for one in new.contains], same)
        and sorted(group.kind for group in old.groups) == sorted(group.kind for group in new.groups)
        and _same_lists(_branches(old), _branches(new), same)
        and (not (old.tangled or new.tangled) or _same_lists([(old.flat,)], [(new.flat,)], same))
    )


def _branches(node: Node) -> list[tuple[Parts, ...]]:
    return [(branch,) for group in node.groups for branch in group.branches]


def _same_lists(
    old: Sequence[tuple[Parts, ...]], new: Sequence[tuple[Parts, ...]], same: Callable[[Parts, Parts], bool]
) -> bool:
    """Whether both hold the same, in any order. Each entry is a tuple of conjunctions that stand together."""
    if len(old) != len(new):
        return False
    left = list(new)
    for one in old:
        found = next((other for other in left if all(map(same, one, other))), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _consequence(comparison: NodeComparison, mine: Parts, theirs: Parts) -> None:
    """`then` or `else` on both sides, compared together with the schema around them."""
    graph, direction = comparison.graph, comparison.direction
    alone = graph.relation(graph.link(mine, theirs, direction))
    if not alone:
        return
    around = [
        tuple(part._replace(mask=part.mask | DROP_IF) for part in node.flat)
        for node in (comparison.old, comparison.new)
    ]
    inside = graph.relation(graph.link((*around[0], *mine), (*around[1], *theirs), direction))
    outside = graph.relation(graph.link(around[0], around[1], direction))
    effect = alone & (inside | outside)
    if effect == alone:
        comparison.child(mine, theirs)
        return
    kind = "consequence-changed" if effect else "consequence-rearranged"
    comparison.add(kind, effect, keyword="if", new_pointer=theirs[0].pointer)
