"""Whether rows come in the order that a source says its service keeps (`paging.order_by`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import msgspec

from runtime.connectors.answers import at_list

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
Reading = Callable[[Any], Any]


def said_of_order(name: str, payloads: Sequence[bytes]) -> str:
    """A warning where the rows of a page are neither ascending nor descending by this field, or none has it; empty
    where all is well, or nothing can be said: services sort texts in many ways."""
    values = [value for value in map(_value_of(name), payloads) if value is not None]
    if not values:
        return f"no row has {name!r}, by which the service is to sort" if len(payloads) > 1 else ""
    broken = [_break(values, reading) for reading in (_as_number, _as_time, _as_text)]
    found = [one for one in broken if one is not None]
    if any(one is _SORTED for one in found) or not found:
        return ""
    before, after = found[0]
    return (
        f"the rows do not come in the order of {name!r} ({str(before)[:40]}, then {str(after)[:40]}): a row that "
        "changes places may be missed. Say the order to the service in 'parameters'"
    )


_SORTED = (None, None)


def _break(values: Sequence[Any], reading: Reading) -> tuple[Any, Any] | None:
    """The first two that stand the other way round than those before them; `_SORTED` where all are in order, None
    where they cannot all be read so."""
    meant = [reading(value) for value in values]
    if any(one is None for one in meant):
        return None
    direction = 0
    for (one, before), (other, after) in pairwise(zip(meant, values, strict=True)):
        step = (other > one) - (other < one)
        if step and direction and step != direction:
            return before, after
        direction = direction or step
    return _SORTED


def _value_of(name: str) -> Callable[[bytes], Any]:
    def value(payload: bytes) -> Any:
        try:
            return at_list(_decode(payload), name)
        except (ValueError, RecursionError):
            return None

    return value


def _as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _as_time(value: Any) -> datetime | None:
    if not isinstance(value, str) or not value[:4].isdecimal():
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _as_text(value: Any) -> str | None:
    """Letters and digits alone: where others stand among them differs from one collation to the next."""
    return value.casefold() if isinstance(value, str) and value.isascii() and value.isalnum() else None
