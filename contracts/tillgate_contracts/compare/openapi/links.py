"""Comparison of the links of a response: how callers get from one answer to the next call (OpenAPI 3.1.1 section
4.8.20). What a link fills into the call is data."""

from __future__ import annotations

import re
from typing import Any

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import METHODS, OpenApiView
from tillgate_contracts.compare.schema.source import join
from tillgate_contracts.compare.schema.values import as_mapping, signature
from tillgate_contracts.compare.unread import LocatedObject

_VARIABLE = re.compile(r"\{[^{}]*\}")


def compare_links(
    comparison: DocumentComparison, before: LocatedObject, after: LocatedObject, where: Where, status: str
) -> None:
    """The links of one response on both sides, by their names."""
    old, new = as_mapping(before.raw.get("links")), as_mapping(after.raw.get("links"))
    places = join(before.pointer, "links"), join(after.pointer, "links")

    def say(name: str, verb: str, text: str, level: str | None = None) -> None:
        comparison.collector.add(
            f"response-link-{verb}",
            f"The link `{name}` of status {status} {text}.",
            where=where,
            base=join(places[0], name) if name in old else before.pointer,
            revision=join(places[1], name) if name in new else after.pointer,
            level=level,
        )

    for name in {**old, **new}:
        if str(name).startswith("x-"):
            continue
        if name not in new:
            say(name, "removed", "was removed")
            continue
        if name not in old:
            say(name, "added", "was added")
            continue
        one = comparison.old.resolve(old[name], join(places[0], name))
        other = comparison.new.resolve(new[name], join(places[1], name))
        if one is None or other is None:
            continue
        if _target(comparison.old, one.raw) != _target(comparison.new, other.raw):
            say(name, "changed", "leads to another operation or server")
        elif any(signature(one.raw.get(word)) != signature(other.raw.get(word)) for word in _FILLED):
            say(name, "changed", "fills something else into the call", "info")


_FILLED = ("parameters", "requestBody")


def _target(view: OpenApiView, link: dict[str, Any]) -> tuple[str, str]:
    """What a link leads to: the operation, by its method and path where the document has it, and the server."""
    server = as_mapping(link.get("server"))
    said = signature({word: server[word] for word in ("url", "variables") if word in server}) if server else ""
    ref, name = link.get("operationRef"), link.get("operationId")
    if isinstance(ref, str):
        found = ref[1:] if ref.startswith("#/") else ref
    else:
        found = _places(view).get(name, f"operation {name}") if isinstance(name, str) else ""
    return _VARIABLE.sub("{}", found.replace("%7B", "{").replace("%7D", "}")), str(said)


def _places(view: OpenApiView) -> dict[str, str]:
    """Pointers of the operations of a document by their `operationId`."""
    return {
        item.raw[method]["operationId"]: join("", "paths", path, method)
        for path, item in view.path_items("paths").items()
        for method in METHODS
        if isinstance(item.raw.get(method), dict) and isinstance(item.raw[method].get("operationId"), str)
    }
