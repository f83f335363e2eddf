"""Comparison of two OpenAPI documents, path by path."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi import access, schemes
from tillgate_contracts.compare.openapi.comparison import BasePath, DocumentComparison
from tillgate_contracts.compare.openapi.operation import compare_operation, compare_reversed_item
from tillgate_contracts.compare.openapi.view import METHODS, HttpOperation, OpenApiView, shape_of
from tillgate_contracts.compare.schema import lifecycle
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_mapping
from tillgate_contracts.compare.unread import LocatedObject


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
    for shape, (template, item) in old.items():
        found = new.get(shape)
        if found is None and shape in unread[1]:
            continue
        if found is None:
            for operation in comparison.old.operations(template, item):
                _removed(comparison, operation, whole_path=True)
            continue
        _path(comparison, template, item, *found)
    for shape, (template, item) in new.items():
        if shape not in old and shape not in unread[0]:
            for operation in comparison.new.operations(template, item):
                _added(comparison, operation)


def _bare(template: str, prefix: str) -> str:
    """A path without what moved into the servers' URLs; a path that does not begin with it stands for itself alone."""
    if not prefix:
        return template
    return template[len(prefix) :] if template.startswith(prefix + "/") else f"//{template}"


def _by_shape(comparison: DocumentComparison, view: OpenApiView, prefix: str) -> dict[str, tuple[str, LocatedObject]]:
    found: dict[str, tuple[str, LocatedObject]] = {}
    for template, item in view.path_items("paths").items():
        shape = shape_of(_bare(template, prefix))
        known = found.get(shape)
        if known is not None:
            pointer = join("", "paths", template)
            comparison.collector.add(
                "api-path-ambiguous",
                f"The paths {known[0]} and {template} have the same shape.",
                base=pointer if view is comparison.old else None,
                revision=pointer if view is comparison.new else None,
            )
            continue
        found[shape] = (template, item)
    return found


def _path(comparison: DocumentComparison, template: str, item: LocatedObject, other: str, place: LocatedObject) -> None:
    if _bare(template, comparison.base_path.old) != _bare(other, comparison.base_path.new):
        comparison.collector.add(
            "api-path-parameter-renamed",
            f"The path {template} is now written {other}; on the wire nothing changed.",
            where=Where("", other, item.pointer, place.pointer),
            old=template,
            new=other,
        )
    before = {operation.method: operation for operation in comparison.old.operations(template, item)}
    after = {operation.method: operation for operation in comparison.new.operations(other, place)}
    for method, operation in before.items():
        found = after.get(method)
        if found is None:
            _removed(comparison, operation, whole_path=not after)
        else:
            compare_operation(comparison, operation, found, reverse=False)
    for method, operation in after.items():
        if method not in before:
            _added(comparison, operation)


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
