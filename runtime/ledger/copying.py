"""Lines of PostgreSQL's COPY text format (docs: COPY, "Text Format"): tab between columns, backslash escapes, `\\N` for null."""

from __future__ import annotations

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


def json_cell(raw: bytes) -> str:
    """JSON bytes as a COPY cell: as they are, unless they hold an escape or a line end between tokens."""
    text = raw.decode()
    if "\\" in text or "\n" in text or "\r" in text or "\t" in text:
        return text.translate(_ESCAPES)
    return text
