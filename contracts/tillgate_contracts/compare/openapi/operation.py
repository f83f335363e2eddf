"""Comparison of one operation and of its callbacks. A callback is an operation that the owner of the contract calls."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi import access, bodies, parameters, responses
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import HttpOperation
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.annotations import LIMITS
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_list, as_mapping
from tillgate_contracts.compare.unread import LocatedObject

_ANNOTATIONS = ("summary", "description", "externalDocs")


def compare_operation(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, *, reverse: bool, label: str = ""
) -> None:
    """Compare an operation that both documents have. `reverse`: it is a callback or webhook, which the owner of the
    contract calls."""
    settings = comparison.graph.settings
    where = Where(label or old.label, old.template, old.pointer, new.pointer)
    marks = lifecycle.Mark.of(old.raw), lifecycle.Mark.of(new.raw)
    if marks[0] != marks[1] or lifecycle.level_of(marks[1].stability) is None:
        for change in lifecycle.transitions(*marks, settings):
            comparison.add_lifecycle(change, where)
    if not lifecycle.is_judged(marks[0].stability, settings) and lifecycle.level_of(marks[1].stability) is not None:
        return
    _security_and_servers(comparison, old, new, where, reverse=reverse)
    same = comparison.graph.sameness.same
    if (
        same(old.raw, new.raw)
        and same(old.path_item.get("parameters"), new.path_item.get("parameters"))
        and old.variables == new.variables
    ):
        return
    _compare_annotations(comparison, old, new, where)
    (before, unread_before), (after, unread_after) = comparison.old.parameters(old), comparison.new.parameters(new)
    unread = unread_before or unread_after
    parameters.compare(comparison, before, after, where, reverse=reverse, unread=unread)
    # In Swagger 2 the body is a parameter, so one that was not read may be it.
    unread_bodies = tuple(
        view.source.dialect.name == "openapi-2.0" and hidden
        for view, hidden in ((comparison.old, unread_before), (comparison.new, unread_after))
    )
    bodies.compare_request(comparison, old, new, where, reverse=reverse, unread=unread_bodies)
    responses.compare_responses(comparison, old, new, where, reverse=reverse)
    comparison.tell_unread(where)
    _callbacks(comparison, old, new, where, reverse=reverse)


def _security_and_servers(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool
) -> None:
    access.compare_security(comparison, old, new, where, reverse=reverse)
    for left, right, base, revision, place in (
        (old.path_item, new.path_item, old.path_pointer, new.path_pointer, Where("", new.template)),
        (old.raw, new.raw, old.pointer, new.pointer, where),
    ):
        if "servers" in left or "servers" in right:
            access.compare_servers(
                comparison,
                left.get("servers", comparison.old.tree.get("servers")),
                right.get("servers", comparison.new.tree.get("servers")),
                join(base, "servers"),
                join(revision, "servers"),
                place,
            )


def _compare_annotations(comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where) -> None:
    before, after = old.raw.get("operationId"), new.raw.get("operationId")
    if before != after:
        if before:
            text = f"The operationId {before} was {'renamed to ' + str(after) if after else 'removed'}."
            comparison.collector.add("api-operation-id-removed", text, where=where, old=before, new=after)
        else:
            comparison.collector.add(
                "api-operation-id-added", f"The operationId {after} was added.", where=where, new=after
            )
    tags = [list(map(str, as_list(side.raw.get("tags")))) for side in (old, new)]
    for verb, mine, theirs in (("removed", *tags), ("added", *reversed(tags))):
        for tag in mine:
            if tag not in theirs:
                comparison.collector.add(
                    f"api-tag-{verb}",
                    f"The tag {tag} was {verb}.",
                    where=where,
                    old=tag if verb == "removed" else None,
                    new=tag if verb == "added" else None,
                )
    compare_limits(comparison, old.raw, new.raw, where)
    changed = [
        name
        for name in dict.fromkeys([*old.raw, *new.raw])
        if not str(name).startswith(LIMITS)
        and (name in _ANNOTATIONS or (str(name).startswith("x-") and name not in {"x-sunset", "x-stability-level"}))
        and old.raw.get(name) != new.raw.get(name)
    ]
    if changed:
        comparison.collector.add(
            "annotation-changed", f"{where.label} changed in description only: {', '.join(changed)}.", where=where
        )


def compare_limits(
    comparison: DocumentComparison, old: dict[str, Any], new: dict[str, Any], where: Where | None
) -> None:
    """What OData metadata says of how a set, an operation or the service may be used."""
    for word in sorted(str(name) for name in old.keys() | new.keys()):
        if word.startswith(LIMITS) and old.get(word) != new.get(word):
            before, after = old.get(word), new.get(word)
            comparison.collector.add(
                "odata-limit-changed",
                f"{where.label if where else 'The service'} says {after or 'nothing'} of {word.removeprefix(LIMITS)} "
                f"instead of {before or 'nothing'}. Cannot tell automatically whether anybody relies on it.",
                where=where,
                old=before,
                new=after,
            )


def _callbacks(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation, where: Where, *, reverse: bool
) -> None:
    left, right = as_mapping(old.raw.get("callbacks")), as_mapping(new.raw.get("callbacks"))
    renamed = _renamed_callbacks(comparison, old, new)
    for name, raw in left.items():
        if name in renamed:
            key, known, came = renamed[name]
            text = f"The callback {name} has the key {key} now; what is called is the same."
            comparison.collector.add("callback-renamed", text, where=where, old=name, new=key, base=known.pointer)
            _callback(comparison, key, known, came, where, reverse=reverse)
            continue
        before = comparison.old.resolve(raw, join(old.pointer, "callbacks", name))
        after = comparison.new.resolve(right.get(name), join(new.pointer, "callbacks", name))
        if before is None or comparison.new.leads_nowhere(right.get(name), join(new.pointer, "callbacks", name)):
            continue
        if after is None:
            comparison.collector.add(
                "callback-removed", f"The callback {name} was removed.", where=where, old=name, base=before.pointer
            )
            continue
        _callback(comparison, name, before, after, where, reverse=reverse)
    for name in right:
        if name not in left and name not in {known for known, _, _ in renamed.values()}:
            comparison.new.leads_nowhere(right[name], join(new.pointer, "callbacks", name))
            pointer = join(new.pointer, "callbacks", name)
            comparison.collector.add(
                "callback-added", f"The callback {name} was added.", where=where, new=name, revision=pointer
            )
    comparison.tell_unread(where)


def _renamed_callbacks(
    comparison: DocumentComparison, old: HttpOperation, new: HttpOperation
) -> dict[str, tuple[str, LocatedObject, LocatedObject]]:
    """Callbacks that went and came with the same expressions: new key and both sides by old key. The key names the
    callback in the document alone (OpenAPI 3.1.1 section 4.8.10)."""
    sides = []
    for view, operation, others in ((comparison.old, old, new), (comparison.new, new, old)):
        listed, known = as_mapping(operation.raw.get("callbacks")), as_mapping(others.raw.get("callbacks"))
        sides.append(
            {
                name: found
                for name, raw in listed.items()
                if name not in known
                and (found := view.resolve(raw, join(operation.pointer, "callbacks", name))) is not None
            }
        )
    gone, come = sides
    made: dict[str, tuple[str, LocatedObject, LocatedObject]] = {}
    for name, before in gone.items():
        for key, after in come.items():
            if set(before.raw) == set(after.raw) and before.raw:
                made[name] = (key, before, after)
                del come[key]
                break
    return made


def _callback(
    comparison: DocumentComparison,
    name: str,
    before: LocatedObject,
    after: LocatedObject,
    where: Where,
    *,
    reverse: bool,
) -> None:
    old = {key: value for key, value in before.raw.items() if isinstance(value, dict) and not key.startswith("x-")}
    new = {key: value for key, value in after.raw.items() if isinstance(value, dict) and not key.startswith("x-")}
    for expression, raw in old.items():
        pointer = join(before.pointer, expression)
        one = comparison.old.path_item(raw, pointer)
        other = comparison.new.path_item(new.get(expression), join(after.pointer, expression))
        if comparison.new.leads_nowhere(new.get(expression), join(after.pointer, expression)):
            continue
        if one is not None and other is not None:
            compare_reversed_item(
                comparison, one, other, f"{where.label} callback {name}", where.path, reverse=not reverse
            )
        elif one is not None:
            text = f"The callback {name} no longer calls {expression}."
            comparison.collector.add(
                "callback-removed", text, where=where, old=expression, base=pointer, revision=after.pointer
            )
    for expression in new:
        if expression not in old:
            pointer = join(after.pointer, expression)
            comparison.collector.add(
                "callback-added",
                f"The callback {name} also calls {expression}.",
                where=where,
                new=expression,
                revision=pointer,
            )


def compare_reversed_item(
    comparison: DocumentComparison, one: LocatedObject, other: LocatedObject, label: str, path: str, *, reverse: bool
) -> None:
    before = {operation.method: operation for operation in comparison.old.operations(path, one)}
    after = {operation.method: operation for operation in comparison.new.operations(path, other)}
    for method, operation in before.items():
        text = f"{label} {method.upper()}"
        found = after.get(method)
        if found is None:
            place = Where(label, path, operation.pointer, other.pointer)
            comparison.collector.add("callback-removed", f"{text} was removed.", where=place)
        else:
            compare_operation(comparison, operation, found, reverse=reverse, label=text)
