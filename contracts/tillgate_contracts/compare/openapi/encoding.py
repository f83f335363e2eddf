"""Comparison of how the fields of a form or multipart body are written (OpenAPI 3.1.1 section 4.8.15)."""

from __future__ import annotations

from typing import Any, NamedTuple

from tillgate_contracts.compare.collector import Where
from tillgate_contracts.compare.media import MediaType, includes, is_multipart
from tillgate_contracts.compare.openapi.comparison import DocumentComparison
from tillgate_contracts.compare.openapi.view import OpenApiView
from tillgate_contracts.compare.schema.build import Builder
from tillgate_contracts.compare.schema.change import Direction
from tillgate_contracts.compare.schema.files import OCTETS, is_file
from tillgate_contracts.compare.schema.node import Node, is_plain
from tillgate_contracts.compare.schema.source import Part, Parts, join
from tillgate_contracts.compare.schema.values import as_mapping, signature
from tillgate_contracts.compare.unread import LocatedObject

_RULE = "request-body-encoding-changed"
_WIRE = ("contentType", "style", "explode", "allowReserved")
_WITH_STYLE = frozenset({"style", "explode", "allowReserved"})
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
        """What is said of a field, without what says nothing: the content type and the style that it has anyway, and
        all words beside a media type or a field that has none of them (OpenAPI 3.1.1 sections 4.8.14 and 4.8.15)."""
        said = as_mapping(self.encoding().get(name))
        if not (is_multipart(self.media) or _is_urlencoded(self.media)):
            return {}
        field, known = self._field(name)
        if known and field is None:
            return {}
        found = {key: said[key] for key in _WIRE if key in said}
        if "contentType" in found:
            found["contentType"] = _listed(found["contentType"])
        if is_multipart(self.media) and found.get("contentType") == _listed(self._usual_type(field)):
            found.pop("contentType", None)
        if _is_urlencoded(self.media) and not _WITH_STYLE.isdisjoint(found):
            self._drop_usual_style(found, field)
        return found

    def _drop_usual_style(self, found: dict[str, Any], field: Node | None) -> None:
        """In `form`, the style by default, only lists and objects are exploded, which they are by default."""
        if field is None or not field.types or "object" in field.types or "contentType" in found:
            return  # an object without these words is JSON
        if found.get("style", "form") != "form":
            return
        found.pop("style", None)
        if "array" not in field.types or found.get("explode") is True:
            found.pop("explode", None)
        if found.get("allowReserved") is False:
            found.pop("allowReserved")

    def _field(self, name: str) -> tuple[Node | None, bool]:
        """The schema of a field, and whether all fields are known, so that one without a schema is none."""
        if "schema" not in self.raw:
            return None, False
        node = self.builder.node((Part(self.raw["schema"], join(self.pointer, "schema")),))
        parts = node.properties.get(name)
        if parts is not None:
            return self.builder.node(parts), True
        return None, bool(node.properties) and is_plain(node) and not (node.pattern_properties or node.additional)

    def _usual_type(self, field: Node | None) -> str | None:
        """The content type of a part that says none; None where it is not looked up (lists of lists, several types)."""
        if field is not None and field.types == frozenset({"array"}) and field.items is not None and not field.prefix:
            field = self.builder.node(field.items)
        if field is None or not field.types or field.content_encoding or field.content_media_type:
            return None
        if field.formats:
            return OCTETS if is_file(field) else None
        if field.types == frozenset({"object"}):
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


def _is_urlencoded(media: str) -> bool:
    return MediaType.parse(media).subtype == "x-www-form-urlencoded"


def _listed(said: Any) -> Any:
    """A list of content types without its order and blanks; a single one as it is."""
    if not isinstance(said, str) or "," not in said:
        return said
    return ", ".join(sorted({one.strip() for one in said.split(",")}))


def _is_wider(narrow: dict[str, Any], wide: dict[str, Any]) -> bool:
    """True where only the content types differ, and the second list takes all of the first."""
    mine, theirs = narrow.get("contentType"), wide.get("contentType")
    if not isinstance(mine, str) or not isinstance(theirs, str) or {**narrow, "contentType": theirs} != wide:
        return False
    taken = [MediaType.parse(one) for one in theirs.split(",")]
    return all(any(includes(other, MediaType.parse(one)) for other in taken) for one in mine.split(","))


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
            wider = _is_wider(after, before) if reverse else _is_wider(before, after)
            comparison.collector.add(
                _RULE,
                f"The field `{name}` is encoded differently.",
                where=where,
                old=before or None,
                new=after or None,
                base=old.pointer,
                revision=new.pointer,
                level="info" if wider else None,
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
