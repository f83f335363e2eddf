"""OData V2 literals in `$filter` and key predicates, and the JSON dates they come from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{1,4})?\)/\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # milliseconds that a calendar holds


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def milliseconds(value: str) -> int:
    """`/Date(1459900800123+0000)/` → milliseconds since 1970, UTC. Raises ValueError."""
    found = _DATE.match(value)
    if not found:
        raise ValueError(f"{value!r} is not of the form /Date(milliseconds)/")
    ms = int(found.group(1))
    if not _FIRST <= ms < _LAST:
        raise ValueError(f"{value!r} lies outside of the years 1 to 9999")
    return ms


def instant(ms: int, kind: str) -> str:
    """Milliseconds as `datetime'…'` (no zone) or `datetimeoffset'…Z'`."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    shown = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{moment.microsecond // 1000:03}" if moment.microsecond else "")
    return f"datetime'{shown}'" if kind == "datetime" else f"datetimeoffset'{shown}Z'"


def after(position: Sequence[tuple[str, str]]) -> str:
    """Rows behind a position in the order of its fields: `a gt 1 or (a eq 1 and (b gt 'x'))`. Fields come with their
    literals."""
    (name, literal), *rest = position
    if not rest:
        return f"{name} gt {literal}"
    return f"{name} gt {literal} or ({name} eq {literal} and ({after(rest)}))"


def predicate(key_fields: Sequence[str], address: Mapping[str, Any]) -> str:
    """`('TG11')` or `(Product='TG11',Plant='1010')`, percent-encoded. Raises KeyError for a missing part."""
    parts = [quote(text(str(address[name])), safe="'") for name in key_fields]
    if len(parts) == 1:
        return f"({parts[0]})"
    return "(" + ",".join(f"{name}={part}" for name, part in zip(key_fields, parts, strict=True)) + ")"
