"""Values as OData V2 sends them: dates, ETags, what may be written to a field, and the refusal that names the fault."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.edm import EntityType
from sandbox.server import Refusal

Row = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bad_request(message: str, *, code: str = "/IWBEP/CM_MGW_RT/022", status: int = 400, **details: Any) -> Refusal:
    return Refusal(status, code, message, **details)


def wire_date(value: date | datetime) -> str:
    """An Edm.DateTime: `/Date(ms)/`, no zone."""
    at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    return f"/Date({_milliseconds(at.replace(tzinfo=UTC))})/"


def wire_instant(value: datetime) -> str:
    """An Edm.DateTimeOffset: `/Date(ms+0000)/`."""
    return f"/Date({_milliseconds(value.astimezone(UTC))}+0000)/"


def _milliseconds(at: datetime) -> int:
    delta = at - EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def wire_milliseconds(value: str) -> int:
    return int(value[6:].rstrip(")/").split("+")[0])


def etag_of(entity: EntityType, row: Row) -> str | None:
    """`W/"datetimeoffset'2026-03-02T08%3A00%3A00.0000000Z'"`, as the Gateway writes it."""
    if entity.etag is None or row.get(entity.etag) is None:
        return None
    milliseconds = wire_milliseconds(row[entity.etag])
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"W/\"datetimeoffset'{at.strftime('%Y-%m-%dT%H%%3A%M%%3A%S')}.{milliseconds % 1000:03d}0000Z'\""


def parse_instant(text: str) -> int:
    """Milliseconds of an ISO literal with up to seven fraction digits; no zone means UTC."""
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00"))
    try:
        at = datetime.fromisoformat(trimmed)
    except ValueError:
        raise bad_request(f"Invalid date literal {text!r}", code="/IWBEP/CM_MGW_RT/176") from None
    return _milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


def coerce(entity: EntityType, name: str, value: Any) -> Any:
    """A written value in wire form, or a refusal that names the field."""
    item = entity.by_name.get(name)
    if item is None:
        raise bad_request(f"Property '{name}' is invalid", code="/IWBEP/CM_MGW_RT/021", target=name)
    if value is None:
        return None
    if item.type == "Edm.String":
        if not isinstance(value, str) or (item.length is not None and len(value) > item.length):
            raise bad_request(f"Property '{name}' is not a text of at most {item.length} characters", target=name)
        return value
    if item.type == "Edm.Decimal":
        try:
            if isinstance(value, bool | float | int):
                raise InvalidOperation
            number = Decimal(value)
            if not number.is_finite() or number.adjusted() >= (item.length or 31):
                raise InvalidOperation
        except (InvalidOperation, TypeError):
            raise bad_request(f"Property '{name}' needs a decimal as a string, got {value!r}", target=name) from None
        return str(number)
    if item.type == "Edm.Boolean":
        if not isinstance(value, bool):
            raise bad_request(f"Property '{name}' needs true or false", target=name)
        return value
    return coerce_instant(name, value, offset=item.type == "Edm.DateTimeOffset")


def coerce_instant(name: str, value: Any, *, offset: bool) -> str:
    if isinstance(value, str) and re.fullmatch(r"/Date\(-?\d+(\+\d{4})?\)/", value):
        return value
    if isinstance(value, str):
        milliseconds = parse_instant(value)
        return f"/Date({milliseconds}{'+0000' if offset else ''})/"
    raise bad_request(f"Property '{name}' needs a date", target=name)
