"""Files and encoded text: OpenAPI 3.0 names them by `format`, 3.1 by the keywords of JSON Schema.

OpenAPI 3.1.1 section 4.8.14.6, "Migrating binary descriptions from OAS 3.0": `format: byte` is `contentEncoding:
base64`; `format: binary` is `contentMediaType: application/octet-stream`, or no schema at all where the media type
says it.
"""

from __future__ import annotations

from typing import NamedTuple

from tillgate_contracts.compare.media import MediaType
from tillgate_contracts.compare.schema.node import Node

OCTETS = "application/octet-stream"
_ENCODINGS = {"byte": "base64", "base64": "base64", "base64url": "base64url"}
BINARY = "binary"


class TextForm(NamedTuple):
    """How the text of a schema is to be read: its formats, its encoding, the media type of what is in it."""

    formats: tuple[str, ...]
    encoding: str | None
    media_type: str | None


def text_forms(old: Node, new: Node) -> tuple[TextForm, TextForm]:
    """The forms of both sides, in the words of 3.1 where only one of them speaks with those of 3.0."""
    one, other = _form(old), _form(new)
    return _in_words_of(one, other), _in_words_of(other, one)


def _form(node: Node) -> TextForm:
    return TextForm(node.formats, node.content_encoding, node.content_media_type)


def _in_words_of(form: TextForm, other: TextForm) -> TextForm:
    if other.encoding is None and other.media_type is None:
        return form
    formats = list(form.formats)
    for name in form.formats:
        if name in other.formats:
            continue
        if name in _ENCODINGS and form.encoding in (None, _ENCODINGS[name]):
            formats.remove(name)
            form = form._replace(encoding=_ENCODINGS[name])
        elif name == BINARY and form.media_type in (None, OCTETS):
            formats.remove(name)
            form = form._replace(media_type=OCTETS)
    return form._replace(formats=tuple(formats))


def is_text(node: Node) -> bool:
    """True where a part is the text of one value: a text, a number or a boolean without an encoding of its own."""
    scalar = node.types is not None and node.types <= {"string", "number", "integer", "boolean", "null"}
    return scalar and BINARY not in node.formats and node.content_encoding is None and node.content_media_type is None


def is_file(node: Node, media: str = OCTETS) -> bool:
    """True where a body or a part may be any bytes: nothing is said of it, or that it is a file of this media type."""
    if node.is_free:
        return True
    if node.types not in (None, frozenset({"string"})) or node.formats not in ((), (BINARY,)):
        return False
    said = node.content_media_type
    plain = node.min_length == 0 and node.max_length is None and not node.patterns and node.enum is None
    whole = not (node.groups or node.nots or node.conditionals or node.unresolved or node.never)
    named = node.formats == (BINARY,) or said is not None
    fits = said is None or MediaType.parse(said).essence in (MediaType.parse(OCTETS), MediaType.parse(media).essence)
    return plain and whole and named and fits and node.content_encoding is None and node.content_schema is None
