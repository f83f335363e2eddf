"""Values of the Edm types as `$filter` and key predicates write them, in V2 (`guid'…'`, `12.5M`, `datetime'…'`) and in
V4 (bare: `12.5`, `2026-03-01T10:00:00Z`), and the stamps of rows as numbers.

OData V2 URI conventions §5; OData 4.01 ABNF (primitiveLiteral).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from urllib.parse import quote

EdmType = Literal[
    "String",
    "Guid",
    "Byte",
    "SByte",
    "Int16",
    "Int32",
    "Int64",
    "Decimal",
    "Double",
    "Single",
    "Boolean",
    "Date",
    "DateTime",
    "DateTimeOffset",
    "Time",
    "TimeOfDay",
]
_DATE = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{1,4})?\)/\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # milliseconds that a calendar holds
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}\Z")
_PLAIN = re.compile(r"[0-9A-Za-z:.+-]{1,40}\Z")  # of times and durations: nothing that ends a literal
_INTEGERS = ("Byte", "SByte", "Int16", "Int32", "Int64")
_V2_PREFIX = {"Guid": "guid", "DateTime": "datetime", "DateTimeOffset": "datetimeoffset", "Time": "time"}
_V2_SUFFIX = {"Int64": "L", "Decimal": "M", "Double": "d", "Single": "f"}
DAY = 86_400_000


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def literal(value: Any, kind: str | None, *, old: bool) -> str:
    """A value as a literal of its type; without a type a number is a number, and everything else is text. `old`: V2.
    Raises ValueError for what is no value of the type."""
    if kind is None:
        kind = "Boolean" if isinstance(value, bool) else "Int32" if isinstance(value, int) else "String"
        kind = "Decimal" if isinstance(value, Decimal | float) else kind
    if kind == "String":
        return text(str(value))
    shown = _checked(value, kind)
    if not old:
        return shown
    if kind in _V2_PREFIX:
        return f"{_V2_PREFIX[kind]}'{shown}'"
    return shown + _V2_SUFFIX.get(kind, "")


def _checked(value: Any, kind: str) -> str:
    shown = ("true" if value else "false") if isinstance(value, bool) else str(value).strip()
    fits = bool(_PLAIN.match(shown))
    if kind == "Guid":
        fits = bool(_GUID.match(shown))
    elif kind in _INTEGERS:
        fits = bool(_WHOLE.match(shown))
    elif kind in ("Decimal", "Double", "Single"):
        fits = _is_number(shown)
    elif kind == "Boolean":
        fits = shown in ("true", "false")
    elif kind == "DateTime" and shown.startswith("/Date("):
        shown, fits = instant(milliseconds(shown), "datetime")[9:-1], True
    elif kind == "DateTimeOffset" and shown.startswith("/Date("):
        shown, fits = instant(milliseconds(shown), "datetimeoffset")[15:-1], True
    if not fits:
        raise ValueError(f"{str(value)[:80]!r} is no value of the type Edm.{kind}")
    return shown


def _is_number(shown: str) -> bool:
    try:
        return Decimal(shown).is_finite()
    except InvalidOperation:
        return False


def milliseconds(value: str) -> int:
    """`/Date(1459900800123+0000)/` → milliseconds since 1970, UTC. Raises ValueError."""
    found = _DATE.match(value)
    if not found:
        raise ValueError(f"{value!r} is not of the form /Date(milliseconds)/")
    ms = int(found.group(1))
    if not _FIRST <= ms < _LAST:
        raise ValueError(f"{value!r} lies outside of the years 1 to 9999")
    return ms


def iso_milliseconds(value: str) -> int:
    """`2026-03-01T10:00:00.1234567+01:00`, or a date, → milliseconds since 1970, UTC, cut off. Raises ValueError."""
    if len(value) == 10:
        moment = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
    else:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError:
        raise ValueError(f"{value!r} lies outside of the years 1 to 9999") from None


def instant(ms: int, kind: str) -> str:
    """Milliseconds as `datetime'…'` (no zone) or `datetimeoffset'…Z'`."""
    shown = _written(ms)
    return f"datetime'{shown}'" if kind == "datetime" else f"datetimeoffset'{shown}Z'"


def iso_instant(ms: int, kind: str) -> str:
    """Milliseconds as V4 writes a time (`date`: the day; `counter`: the number itself)."""
    if kind == "counter":
        return str(ms)
    return _written(ms)[:10] if kind == "date" else _written(ms) + "Z"


def _written(ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=ms)
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return f"{moment.year:04}" + moment.strftime("-%m-%dT%H:%M:%S") + fraction


def after(position: Sequence[tuple[str, str]]) -> str:
    """Rows behind a position in the order of its fields: `a gt 1 or (a eq 1 and (b gt 'x'))`. Fields come with their
    literals."""
    (name, value), *rest = position
    if not rest:
        return f"{name} gt {value}"
    return f"{name} gt {value} or ({name} eq {value} and ({after(rest)}))"


def predicate(
    key_fields: Sequence[str], address: Mapping[str, Any], types: Mapping[str, str] | None = None, *, old: bool = True
) -> str:
    """`('TG11')` or `(Product='TG11',Plant='1010')`, percent-encoded. Fields without a type are text. Raises KeyError
    for a missing part, ValueError for one that is no value of its type."""
    types = types or {}
    values = [literal(address[name], types.get(name, "String"), old=old) for name in key_fields]
    parts = [quote(value, safe="'") for value in values]
    if len(parts) == 1:
        return f"({parts[0]})"
    return "(" + ",".join(f"{name}={part}" for name, part in zip(key_fields, parts, strict=True)) + ")"
