"""Comparison of two OpenAPI documents, path by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi import access, schemes
from tillgate_contracts.compare.openapi.comparison import BasePath, DocumentComparison
from tillgate_contracts.compare.openapi.operation import compare_limits, compare_operation, compare_reversed_item
from tillgate_contracts.compare.openapi.view import METHODS, HttpOperation, OpenApiView, shape_of, variables_of
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.accepts import accepts
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_mapping
from tillgate_contracts.compare.unread import LocatedObject

PathsByShape = dict[str, dict[str, LocatedObject]]


def compare_documents(comparison: DocumentComparison) -> None:
    """Everything in the two documents."""
    comparison.schemes.renamed = schemes.find_renamed(
        comparison.old.security_schemes(), comparison.new.security_schemes()
    )
    moved = _moved_base_path(comparison.old, comparison.new)
    comparison.base_path = moved or BasePath()
    _paths(comparison)
    _webhooks(comparison)
    schemes.compare_schemes(comparison)
    old, new = comparison.old.tree.get("servers"), comparison.new.tree.get("servers")
    if moved:
        way = "the paths to the servers" if moved.old else "the servers to the paths"
        comparison.collector.add(
            "api-base-path-moved",
            f"{moved.old or moved.new} moved from {way}; all URLs are the same.",
            base="/servers",
            revision="/servers",
        )
    else:
        access.compare_servers(comparison, old, new, "/servers", "/servers", None)
    comparison.tell_unread()
    before, after = (as_mapping(view.tree.get("x-edmx")) for view in (comparison.old, comparison.new))
    compare_limits(comparison, before, after, None)


def _moved_base_path(old: OpenApiView, new: OpenApiView) -> BasePath | None:
    """The path that all servers of one side end with and those of the other lack, where the paths of that other side
    begin with it: a URL is the server's with the path appended (OpenAPI 3.1.1 section 4.8.8)."""
    before, after = (access.server_urls(view.tree.get("servers")) for view in (old, new))
    if before == after or any(_has_own_servers(view.tree) for view in (old, new)):
        return None
    for longer, shorter, bare, made in (
        (before, after, new, lambda prefix: BasePath(new=prefix)),
        (after, before, old, lambda prefix: BasePath(old=prefix)),
    ):
        for one in shorter:
            prefix = longer[0][len(one) :] if longer[0].startswith(one) else ""
            paths = [str(key) for key in as_mapping(bare.tree.get("paths")) if str(key).startswith("/")]
            if (
                prefix.startswith("/")
                and sorted(longer) == sorted(url + prefix for url in shorter)
                and any(path.startswith(prefix + "/") for path in paths)
            ):
                return made(prefix)
    return None


def _has_own_servers(tree: dict[str, Any]) -> bool:
    return any(
        isinstance(holder, dict) and "servers" in holder
        for item in as_mapping(tree.get("paths")).values()
        if isinstance(item, dict)
        for holder in (item, *item.values())
    )


def _paths(comparison: DocumentComparison) -> None:
    sides = list(zip((comparison.old, comparison.new), comparison.base_path, strict=True))
    old, new = (_by_shape(comparison, view, prefix) for view, prefix in sides)
    unread = [{shape_of(_bare(key, prefix)) for key in view.unread_items("paths")} for view, prefix in sides]
    comparison.tell_unread()
    for shape, items in old.items():
        found = new.get(shape)
        if found is None and shape in unread[1]:
            continue
        if found is None:
            for template, item in items.items():
                for operation in comparison.old.operations(template, item):
                    _removed(comparison, operation, whole_path=True)
            continue
        _path(comparison, items, found)
    for shape, items in new.items():
        if shape not in old and shape not in unread[0]:
            for template, item in items.items():
                for operation in comparison.new.operations(template, item):
                    _added(comparison, operation)
    _tell_ambiguous(comparison, old, new)


def _bare(template: str, prefix: str) -> str:
    """A path without what moved into the servers' URLs; a path that does not begin with it stands for itself alone."""
    if not prefix:
        return template
    return template[len(prefix) :] if template.startswith(prefix + "/") else f"//{template}"


def _by_shape(comparison: DocumentComparison, view: OpenApiView, prefix: str) -> PathsByShape:
    found: PathsByShape = {}
    for template, item in view.path_items("paths").items():
        found.setdefault(shape_of(_bare(template, prefix)), {})[template] = item
    return found


def _tell_ambiguous(comparison: DocumentComparison, old: PathsByShape, new: PathsByShape) -> None:
    """Templates of one shape, once; where they were so before, it is a note."""
    for shape in dict.fromkeys([*old, *new]):
        before, after = old.get(shape, {}), new.get(shape, {})
        if len(before) < 2 and len(after) < 2:
            continue
        named = list(after if len(after) > 1 else before)
        known = len(before) > 1
        comparison.collector.add(
            "api-path-ambiguous",
            f"The paths {' and '.join(named)} have the same shape{', as before' if known else ''}.",
            base=join("", "paths", list(before)[-1]) if len(before) > 1 else None,
            revision=join("", "paths", list(after)[-1]) if len(after) > 1 else None,
            level="info" if known else None,
        )


def _path(comparison: DocumentComparison, items: dict[str, LocatedObject], others: dict[str, LocatedObject]) -> None:
    """The path items of one shape: one on each side, or several that share their operations."""
    template, other = next(iter(items)), next(iter(others))
    same = {_bare(key, comparison.base_path.old) for key in items} & {
        _bare(key, comparison.base_path.new) for key in others
    }
    if not same:
        comparison.collector.add(
            "api-path-parameter-renamed",
            f"The path {template} is now written {other}; {_what_moved(template, other)}.",
            where=Where("", other, items[template].pointer, others[other].pointer),
            old=template,
            new=other,
        )
    before = [operation for key, item in items.items() for operation in comparison.old.operations(key, item)]
    after = [operation for key, item in others.items() for operation in comparison.new.operations(key, item)]
    for by_name in (True, False):
        for operation in list(before):
            found = next((one for one in after if _is_same(comparison, operation, one, by_name=by_name)), None)
            if found is not None:
                before.remove(operation)
                after.remove(found)
                compare_operation(comparison, operation, found, reverse=False)
    gone = not any(True for key, item in others.items() for _ in comparison.new.operations(key, item))
    for operation in before:
        _removed(comparison, operation, whole_path=gone)
    for operation in after:
        _added(comparison, operation)


def _what_moved(template: str, other: str) -> str:
    """Whether some variable has another place now: a value is known by its place in the URL, not by a name."""
    before, after = (variables_of(path) for path in (template, other))
    moved = any(name in after and after.index(name) != place for place, name in enumerate(before))
    return "its variables are compared by their places" if moved else "on the wire nothing changed"


def _is_same(comparison: DocumentComparison, one: HttpOperation, other: HttpOperation, *, by_name: bool) -> bool:
    prefix = comparison.base_path
    named = _bare(one.template, prefix.old) == _bare(other.template, prefix.new)
    return one.method == other.method and (named or not by_name)


def _removed(comparison: DocumentComparison, operation: HttpOperation, *, whole_path: bool) -> None:
    settings = comparison.graph.settings
    mark = lifecycle.Mark.of(operation.raw)
    where = Where(operation.label, operation.template, operation.pointer, None)
    if lifecycle.level_of(mark.stability) is None:
        comparison.add_lifecycle(lifecycle.LifecycleChange("invalid-stability-level", mark.stability), where)
        return
    if not lifecycle.is_judged(mark.stability, settings):
        return
    change = lifecycle.removal(mark, settings)
    subject = "path" if whole_path else "operation"
    prefix = "api-path" if whole_path else "api"
    rule = "api-path-sunset-parse" if change.kind == "sunset-unreadable" else f"{prefix}-{change.kind}"
    words = {
        "removed-without-deprecation": "was removed without having been deprecated",
        "removed-with-deprecation": "was removed after its deprecation",
        "removed-before-sunset": f"was removed before its sunset {change.old}",
        "sunset-unreadable": f"was removed, and its sunset {change.old!r} is not a date",
    }
    hint = "Deprecate it with a sunset first, and remove it after that date."
    comparison.collector.add(
        rule, f"The {subject} {operation.label} {words[change.kind]}.", where=where, old=change.old, hint=hint
    )


def _added(comparison: DocumentComparison, operation: HttpOperation) -> None:
    where = Where(operation.label, operation.template, None, operation.pointer)
    level = operation.raw.get("x-stability-level")
    if lifecycle.level_of(level) is None:
        comparison.add_lifecycle(lifecycle.LifecycleChange("invalid-stability-level", None, level), where)
    elif lifecycle.is_judged(level, comparison.graph.settings):
        comparison.collector.add("endpoint-added", f"The operation {operation.label} was added.", where=where)
        for template in _templates_that_match(comparison, operation):
            text = f"Calls of {operation.method.upper()} {template} that are written {operation.template} reach it now."
            comparison.collector.add("endpoint-added-beside-template", text, where=where, old=template)


def _templates_that_match(comparison: DocumentComparison, operation: HttpOperation) -> Iterator[str]:
    """Templates of the base with the same method that a new path is a case of, where their variables take its texts."""
    added = _bare(operation.template, comparison.base_path.new).split("/")
    for template, item in comparison.old.path_items("paths").items():
        known = _bare(template, comparison.base_path.old).split("/")
        pairs = list(zip(known, added, strict=False))
        held = {one[1:-1]: other for one, other in pairs if _is_variable(one) and "{" not in other}
        same = all(one == other or _is_variable(one) for one, other in pairs)
        if len(known) != len(added) or not held or not same:
            continue
        for old in comparison.old.operations(template, item):
            if old.method == operation.method and _takes(comparison, old, held):
                yield template


def _is_variable(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}") and segment.count("{") == 1


def _takes(comparison: DocumentComparison, operation: HttpOperation, values: dict[str, str]) -> bool:
    parameters, _ = comparison.old.parameters(operation)
    for name, text in values.items():
        number = operation.variables.index(name) if name in operation.variables else -1
        found = parameters.get(("path", f"{{{number}}}"))
        if found is None or found.schema is None:
            continue
        node = comparison.graph.old.node(found.schema)
        spelled = [text, int(text)] if text.isdecimal() and len(text) < 19 else [text]
        if not any(accepts(comparison.graph.old, node, one) is True for one in spelled):
            return False
    return True


def _webhooks(comparison: DocumentComparison) -> None:
    word = {view: "webhooks" if "webhooks" in view.tree else "x-webhooks" for view in (comparison.old, comparison.new)}
    old, new = comparison.old.path_items(word[comparison.old]), comparison.new.path_items(word[comparison.new])
    unread = [view.unread_items(word[view]) for view in (comparison.old, comparison.new)]
    comparison.tell_unread()
    for name, item in old.items():
        found = new.get(name)
        if found is None and name in unread[1]:
            continue
        if found is None:
            methods = [method for method in METHODS if method in item.raw]
            where = Where(f"webhook {name}", name, item.pointer, None)
            comparison.collector.add(
                "webhook-removed", f"The webhook {name} ({', '.join(methods)}) was removed.", where=where, old=name
            )
        else:
            compare_reversed_item(comparison, item, found, f"webhook {name}", name, reverse=True)
    for name, item in new.items():
        if name not in old and name not in unread[0]:
            where = Where(f"webhook {name}", name, None, item.pointer)
            comparison.collector.add("webhook-added", f"The webhook {name} was added.", where=where, new=name)
