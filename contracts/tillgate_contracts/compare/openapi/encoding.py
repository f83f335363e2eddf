"""Comparison of how the fields of a form or multipart body are written (OpenAPI 3.1.1 section 4.8.15)."""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.media import is_multipart
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import OpenApiView
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.source import Part, Parts, join
from tillgate_contracts.compare.schema.values import as_mapping, signature
from tillgate_contracts.compare.unread import LocatedObject

_RULE = "request-body-encoding-changed"
_WIRE = ("contentType", "style", "explode", "allowReserved")
_PRIMITIVES = frozenset({"string", "integer", "number", "boolean"})


class _Side(NamedTuple):
    """One side: its reader, the builder of its schemas, its media type object and where this stands."""

    view: OpenApiView
    builder: Builder
    media: str
    raw: dict[str, Any]
    pointer: str

    def encoding(self) -> dict[str, Any]:
        return as_mapping(self.raw.get("encoding"))

    def wire(self, name: str) -> dict[str, Any]:
        """What is said of a field, without the content type that it has anyway."""
        said = as_mapping(self.encoding().get(name))
        found = {key: said[key] for key in _WIRE if key in said}
        if is_multipart(self.media) and found.get("contentType") == self._usual_type(name):
            found.pop("contentType", None)
        return found

    def _usual_type(self, name: str) -> str | None:
        """The content type of a part that says none; None where it is not looked up (files, lists, several types)."""
        if "schema" not in self.raw:
            return None
        node = self.builder.node((Part(self.raw["schema"], join(self.pointer, "schema")),))
        parts = node.properties.get(name)
        field = None if parts is None else self.builder.node(parts)
        if field is None or not field.types or field.formats or field.content_encoding or field.content_media_type:
            return None
        if field.types == {"object"}:
            return "application/json"
        return "text/plain" if field.types <= _PRIMITIVES else None

    def headers(self, name: str) -> dict[str, LocatedObject]:
        """The headers of a part by their names in small letters; only parts of a multipart body have some."""
        written = as_mapping(as_mapping(self.encoding().get(name)).get("headers")) if is_multipart(self.media) else {}
        found: dict[str, LocatedObject] = {}
        for header, raw in written.items():
            place = self.view.resolve(raw, join(self.pointer, "encoding", name, "headers", header))
            if place is not None and str(header).lower() != "content-type":
                found[str(header).lower()] = place
        return found


def compare_encoding(
    comparison: DocumentComparison,
    medias: tuple[str, str],
    raws: tuple[dict[str, Any], dict[str, Any]],
    places: tuple[str, str],
    where: Where,
    *,
    reverse: bool,
) -> None:
    """The fields that either side says something of. `reverse`: the owner of the contract sends the body."""
    old = _Side(comparison.old, comparison.graph.old, medias[0], raws[0], places[0])
    new = _Side(comparison.new, comparison.graph.new, medias[1], raws[1], places[1])
    for word in ("prefixEncoding", "itemEncoding"):
        if signature(old.raw.get(word)) != signature(new.raw.get(word)):
            comparison.collector.add(
                _RULE,
                f"The parts of the body are encoded differently ({word}).",
                where=where,
                old=old.raw.get(word),
                new=new.raw.get(word),
                base=old.pointer,
                revision=new.pointer,
            )
    for name in {**old.encoding(), **new.encoding()}:
        before, after = old.wire(name), new.wire(name)
        if before != after:
            comparison.collector.add(
                _RULE,
                f"The field `{name}` is encoded differently.",
                where=where,
                old=before or None,
                new=after or None,
                base=old.pointer,
                revision=new.pointer,
            )
        _headers(comparison, name, old, new, where, reverse=reverse)


def _headers(comparison: DocumentComparison, name: str, old: _Side, new: _Side, where: Where, *, reverse: bool) -> None:
    before, after = old.headers(name), new.headers(name)
    for header in {**before, **after}:
        mine, theirs = before.get(header), after.get(header)
        was, now = (side is not None and side.raw.get("required") is True for side in (mine, theirs))
        if mine is not None and theirs is not None:
            direction = Direction("response" if reverse else "request", text=True)
            comparison.collector.use(
                comparison.graph.link(_schema(mine), _schema(theirs), direction),
                "header" if reverse else "parameter",
                where,
            )
            if was == now:
                continue
        verb = "came" if mine is None else "went" if theirs is None else "is required" if now else "is optional"
        harmful = (was and not now) if reverse else (now and not was)
        level = None if harmful else "warning" if theirs is None else "info"
        comparison.collector.add(
            _RULE,
            f"The header `{header}` of the field `{name}` {verb}{' and is required' if mine is None and now else ''}.",
            where=where,
            base=old.pointer if mine is None else mine.pointer,
            revision=new.pointer if theirs is None else theirs.pointer,
            level=level,
        )


def _schema(header: LocatedObject) -> Parts:
    return (Part(header.raw["schema"], join(header.pointer, "schema")),) if "schema" in header.raw else ()
