"""Spans as OTLP wants them on the wire: the message ExportTraceServiceRequest of opentelemetry-proto, in protobuf's
encoding (field number and wire type, then the value).

The library makes an object of each message and each attribute before it writes them, which takes ten times as long. A
test decodes what is written here with the library's own classes, and compares it with what the library writes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_FIXED64, _DOUBLE, _FIXED32 = struct.Struct("<Q").pack, struct.Struct("<d").pack, struct.Struct("<I").pack
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200  # SpanFlags: whether the parent is known to be remote, and whether it is


class FinishedSpan(NamedTuple):
    """One span that is over. `parent` is 0 without one; `status` None while nothing failed, else why."""

    trace: int
    span: int
    parent: int
    remote: bool
    name: str
    kind: int
    start: int
    end: int
    values: Mapping[str, str | int | float | bool]
    events: Sequence[tuple[str, int]]
    links: Sequence[tuple[int, int]]
    status: str | None


def request(resource: Mapping[str, Any], scope: str, spans: Iterable[FinishedSpan]) -> bytes:
    described = b"".join(_key_value(b"\x0a", name, value) for name, value in resource.items())
    scoped = _part(b"\x0a", _part(b"\x0a", scope.encode())) + b"".join(_part(b"\x12", _span(span)) for span in spans)
    return _part(b"\x0a", _part(b"\x0a", described) + _part(b"\x12", scoped))


def _span(one: FinishedSpan) -> bytes:
    made = [b"\x0a\x10", one.trace.to_bytes(16, "big"), b"\x12\x08", one.span.to_bytes(8, "big")]
    if one.parent:
        made += (b"\x22\x08", one.parent.to_bytes(8, "big"))
    made += (_part(b"\x2a", one.name.encode()), b"\x30", _varint(one.kind))
    made += (b"\x39", _FIXED64(one.start), b"\x41", _FIXED64(one.end))
    made += [_key_value(b"\x4a", name, value) for name, value in one.values.items()]
    for name, at in one.events:
        made.append(_part(b"\x5a", b"\x09" + _FIXED64(at) + _part(b"\x12", name.encode())))
    for trace, span in one.links:
        place = b"\x0a\x10" + trace.to_bytes(16, "big") + b"\x12\x08" + span.to_bytes(8, "big")
        made.append(_part(b"\x6a", place + b"\x35" + _FIXED32(_HAS_REMOTE | _IS_REMOTE)))
    if one.status is None:
        made.append(b"\x7a\x00")
    else:
        told = _part(b"\x12", one.status.encode()) if one.status else b""
        made.append(_part(b"\x7a", told + b"\x18\x02"))
    made += (b"\x85\x01", _FIXED32(_HAS_REMOTE | (_IS_REMOTE if one.remote else 0)))
    return b"".join(made)


@lru_cache(maxsize=4096, typed=True)
def _key_value(tag: bytes, name: str, value: Any) -> bytes:
    if value.__class__ is str:
        inner = _part(b"\x0a", value.encode("utf-8", "replace"))
    elif value.__class__ is bool:
        inner = b"\x10\x01" if value else b"\x10\x00"
    elif value.__class__ is int:
        inner = b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    elif value.__class__ is float:
        inner = b"\x21" + _DOUBLE(value)
    else:
        inner = _part(b"\x0a", str(value).encode("utf-8", "replace"))
    return _part(tag, _name(name) + _part(b"\x12", inner))


@lru_cache(maxsize=512)
def _name(name: str) -> bytes:
    return _part(b"\x0a", name.encode())


def _part(tag: bytes, content: bytes) -> bytes:
    length = len(content)
    return b"%b%c%b" % (tag, length, content) if length < 128 else tag + _varint(length) + content


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
