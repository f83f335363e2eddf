"""What COPY takes: lines of its text format (PostgreSQL docs: COPY, "Text Format": tab between columns, backslash
escapes, `\\N` for null) and columns of its binary one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

_json = msgspec.json.Encoder(decimal_format="number").encode
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def cell(value: Any) -> str:
    """One value as COPY text. Lists and dicts become JSON."""
    if value is None:
        return "\\N"
    if isinstance(value, dict | list):
        value = _json(value).decode()
    return str(value).translate(_ESCAPES)


def line(row: Sequence[Any]) -> str:
    """One line without its end. The quick way serves rows of plain strings and numbers, which is almost every row."""
    text = "\t".join(map(str, row))
    if (
        "None" in text
        or "{" in text
        or "[" in text
        or "\\" in text
        or "\n" in text
        or "\r" in text
        or text.count("\t") != len(row) - 1
    ):
        return "\t".join(map(cell, row))
    return text


BINARY_START = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
"""COPY's binary format (docs: COPY, "Binary Format"): signature, no flags, no extension; then per row the number of
columns and per column its length and bytes, -1 for null, numbers in network order; then -1. It spares both sides the
escaping and the parsing."""
BINARY_END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
_length, _bigint = struct.Struct(">i").pack, struct.Struct(">iq").pack


def binary_cell(value: str | None) -> bytes:
    """A text as a column of the binary format."""
    if value is None:
        return NULL
    text = value.encode()
    return _length(len(text)) + text


def binary_number(value: int | None) -> bytes:
    """A `bigint` as a column of the binary format."""
    return NULL if value is None else _bigint(8, value)
