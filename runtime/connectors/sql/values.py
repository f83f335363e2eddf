"""Values of a database as JSON, without loss: numbers in the digits that the database writes, times in the form of ISO
8601 with a zone where the column has one, everything else as the database writes it."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from runtime.connectors.rawjson import odd_escape

Kind = Literal["text", "whole", "number", "bool", "moment", "time", "json", "binary", "bits"]
"""moment: a time with a zone, which the session keeps at UTC. time: one without. json: as it stands."""

_NUMBER = re.compile(rb"(-?)0*(\d+)(\.\d+)?([eE][+-]?\d+)?\Z")
_MOMENT = re.compile(r"((?!0000)\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::?00)?|Z)?\Z")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement gave, as the bytes that the server wrote."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[bytes | None]]


class UnreadableValue(Exception):
    """Why a value cannot stand in a record."""


def token(kind: Kind, raw: bytes | None) -> bytes:
    """A value as JSON. Raises UnreadableValue."""
    if raw is None:
        return b"null"
    if kind in ("whole", "number"):
        return number(raw)
    if kind == "bool":
        return b"true" if raw in (b"t", b"1", b"true") else b"false"
    if kind == "binary":
        return msgspec.json.encode(base64.b64encode(raw).decode())
    if kind == "bits":
        return str(int.from_bytes(raw, "big")).encode()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise UnreadableValue(f"holds the byte {raw[error.start]:#04x} (at {error.start}), which is no UTF-8") from None
    if kind == "json":
        return _json(raw)
    if kind in ("moment", "time"):
        text = moment(text, zoned=kind == "moment")
    made = msgspec.json.encode(text)
    if reason := odd_escape(made):
        raise UnreadableValue(reason)
    return made


def number(raw: bytes) -> bytes:
    """Digits as a number of JSON: no zeros before them, and nothing that is no number."""
    found = _NUMBER.match(raw)
    if found is None:
        raise UnreadableValue(f"is {raw[:40].decode('utf-8', 'replace')}, which no number of JSON is")
    sign, whole, fraction, exponent = (one or b"" for one in found.groups())
    return sign + whole + fraction + exponent


def moment(text: str, *, zoned: bool) -> str:
    """A time as ISO 8601; what no calendar has (`infinity`, `0000-00-00`, years before Christ) as it is written."""
    found = _MOMENT.match(text)
    return f"{found[1]}T{found[2]}{'Z' if zoned else ''}" if found else text


def _json(raw: bytes) -> bytes:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnreadableValue(f"holds JSON that cannot be read ({error})") from None
    if reason := odd_escape(raw):
        raise UnreadableValue(reason)
    return raw


__all__ = ["Column", "Kind", "Rows", "UnreadableValue", "moment", "token"]
