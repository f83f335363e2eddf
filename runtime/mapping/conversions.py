"""Value types: what a source value may look like, and what is written. Everything that does not fit exactly is
rejected."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from kernel.money import minor_digits
from runtime.mapping.errors import MISSING, Reject
from runtime.mapping.functions import DIGITS, EXACT, MODES, QUANTA, ROUNDING, kind_words, number, text
from runtime.mapping.paths import Path

TYPES = ("string", "integer", "decimal", "money", "boolean", "date", "datetime", "any")
FORMATS = ("iso", "compact", "odata_v2")
_ODATA = re.compile(r"/Date\((-?\d{1,15})([+-]\d{1,4})?\)/\Z")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_COMPACT_DATE = re.compile(r"\d{8}\Z")
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})?\Z")
_COMPACT_TIME = re.compile(r"\d{14}\Z")
_INTEGER = re.compile(r"-?\d{1,38}\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ValueType:
    """One declared type with its settings.

    scale, rounding   decimal and money: digits after the point; `exact` refuses more digits than that
    write             decimal: number | text; money: object | number | text | minor; date and datetime: iso | compact |
                      odata_v2
    format            date and datetime: how the source writes them
    zone              datetime: what a time without offset means: `required` refuses it, else an IANA zone name
    repeated, skipped datetime: policy for local times that occur twice or never: refuse | earlier | later; refuse |
    forward
    currency          money: an ISO 4217 code, or the path that holds it
    """

    name: str
    scale: int | None = None
    rounding: str = "exact"
    write: str = ""
    format: str = "iso"
    zone: str = "required"
    repeated: str = "refuse"
    skipped: str = "refuse"
    max_length: int | None = None
    trim: bool = False
    currency: str | Path | None = None
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()


def converter(kind: ValueType) -> Callable[..., Any]:
    """The full conversion of one value (never None) for a type. Money also takes the currency. Raises Reject."""
    return _CONVERTERS[kind.name](kind)


def _missing(value: Any) -> None:
    if value is None:
        raise Reject(MISSING)


def _string(kind: ValueType) -> Callable[[Any], str]:
    limit, trim = kind.max_length, kind.trim

    def convert(value: Any) -> str:
        _missing(value)
        if value.__class__ is int:
            value = text(value)
        elif value.__class__ is not str:
            raise Reject(f"is {kind_words(value)}, not text")
        if trim:
            value = value.strip()
        if limit is not None and len(value) > limit:
            raise Reject(f"has {len(value)} characters, more than {limit}")
        return value  # type: ignore[no-any-return]

    return convert


def _integer(kind: ValueType) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        _missing(value)
        if value.__class__ is int:
            return value  # type: ignore[no-any-return]
        if value.__class__ is Decimal:
            exact = number(value)
            if exact != exact.to_integral_value():  # type: ignore[union-attr]
                raise Reject("is not a whole number")
            return int(exact)
        if value.__class__ is str:
            if not (_INTEGER.match(value) and value.isascii()):
                raise Reject("is not a whole number")
            return int(value)
        raise Reject(f"is {kind_words(value)}, not a whole number")

    return convert


def quantize(value: Decimal | int, scale: int | None, rounding: str) -> Decimal:
    """To exactly `scale` digits after the point. `exact` rejects a value that has more. There is no negative zero."""
    exact = Decimal(value)
    if scale is None:
        number(exact)
        return exact if exact else abs(exact)
    try:
        if rounding == "exact":
            return EXACT.plus(exact.quantize(QUANTA[scale], None, EXACT))
        return ROUNDING.plus(exact.quantize(QUANTA[scale], MODES[rounding], ROUNDING))
    except ArithmeticError:
        if exact.is_finite() and abs(exact.adjusted()) < DIGITS - scale:
            raise Reject(f"has more than {scale} digits after the point") from None
        raise Reject("is out of range") from None


def _decimal(kind: ValueType) -> Callable[[Any], Decimal | str]:
    scale, rounding, as_text = kind.scale, kind.rounding, kind.write == "text"

    def convert(value: Any) -> Decimal | str:
        _missing(value)
        result = quantize(number(value), scale, rounding)
        return format(result, "f") if as_text else result

    return convert


def _money(kind: ValueType) -> Callable[[Any, Any], Any]:
    scale, rounding, write = kind.scale, kind.rounding, kind.write

    def convert(value: Any, currency: Any) -> Any:
        _missing(value)
        if currency is None:
            raise Reject("has no currency")
        if (
            currency.__class__ is not str
            or len(currency) != 3
            or not (currency.isascii() and currency.isalpha() and currency.isupper())
        ):
            raise Reject("has a currency that is not three capital letters (ISO 4217)")
        digits = minor_digits(currency) if scale is None else scale
        amount = quantize(number(value), digits, rounding)
        if write == "minor":
            return int(amount.scaleb(digits, ROUNDING))
        if write == "text":
            return format(amount, "f")
        return amount if write == "number" else {"amount": amount, "currency": currency}

    return convert


def _boolean(kind: ValueType) -> Callable[[Any], bool]:
    true, false = frozenset(kind.true), frozenset(kind.false)

    def convert(value: Any) -> bool:
        _missing(value)
        if value.__class__ is bool:
            return value  # type: ignore[no-any-return]
        if value.__class__ is str and value in true:
            return True
        if value.__class__ is str and value in false:
            return False
        allowed = ", ".join(repr(w) for w in sorted(true | false))
        raise Reject(f"is not true or false{f' and none of {allowed}' if allowed else ''}")

    return convert


def odata_v2_time(value: str) -> datetime:
    """`/Date(1459900800000)/` or `/Date(1459900800000+0060)/` (offset in minutes): the milliseconds are UTC (OData V2
    §6, JSON)."""
    found = _ODATA.match(value)
    if not found:
        raise Reject("is not of the form /Date(milliseconds)/")
    try:
        return _EPOCH + timedelta(milliseconds=int(found.group(1)))
    except OverflowError:
        raise Reject("is outside the years 1 to 9999") from None


def odata_v2_text(moment: datetime) -> str:
    return f"/Date({(moment - _EPOCH) // timedelta(milliseconds=1)})/"


def _date(kind: ValueType) -> Callable[[Any], str]:
    source, write = kind.format, kind.write

    def convert(value: Any) -> str:
        _missing(value)
        if value.__class__ is not str:
            raise Reject(f"is {kind_words(value)}, not text with a date")
        day = _read_date(value, source)
        if write == "iso":
            return day.isoformat()
        if write == "compact":
            return f"{day.year:04}{day.month:02}{day.day:02}"
        return odata_v2_text(datetime(day.year, day.month, day.day, tzinfo=UTC))

    return convert


def _read_date(value: str, source: str) -> date:
    if source == "odata_v2":
        return odata_v2_time(value).date()
    pattern, form = (_ISO_DATE, "2026-12-31") if source == "iso" else (_COMPACT_DATE, "20261231")
    if not (pattern.match(value) and value.isascii()):
        raise Reject(f"is not a date of the form {form}")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Reject("is not a day of the calendar") from None


def _datetime(kind: ValueType) -> Callable[[Any], str]:
    source, write = kind.format, kind.write
    zone = None if kind.zone == "required" else ZoneInfo(kind.zone)

    def convert(value: Any) -> str:
        _missing(value)
        if value.__class__ is not str:
            raise Reject(f"is {kind_words(value)}, not text with a time")
        moment = odata_v2_time(value) if source == "odata_v2" else _read_time(value, source, zone, kind)
        return write_time(moment, write)

    return convert


def _read_time(value: str, source: str, zone: ZoneInfo | None, kind: ValueType) -> datetime:
    pattern, form = (_ISO_TIME, "2026-12-31T23:59:59Z") if source == "iso" else (_COMPACT_TIME, "20261231235959")
    if not (pattern.match(value) and value.isascii()):
        raise Reject(f"is not a time of the form {form}")
    try:
        moment = datetime.fromisoformat(value if source == "iso" else f"{value[:8]}T{value[8:]}")
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Reject("is not a time of the calendar") from None
    if zone is None:
        raise Reject("has no offset from UTC, and the mapping names no zone")
    return localize(moment, zone, repeated=kind.repeated, skipped=kind.skipped)


def localize(moment: datetime, zone: ZoneInfo, *, repeated: str, skipped: str) -> datetime:
    """A wall-clock time in its zone → UTC. Times that occur twice or never follow the stated policy or are rejected."""
    try:
        first = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
        second = moment.replace(tzinfo=zone, fold=1).astimezone(UTC)
    except OverflowError:
        raise Reject("is not a time of the calendar") from None
    if first == second:
        return first
    if first < second:
        if repeated == "refuse":
            raise Reject(f"occurs twice in {zone.key} (clocks go back), and the mapping names no choice")
        return first if repeated == "earlier" else second
    if skipped == "refuse":
        raise Reject(f"does not exist in {zone.key} (clocks go forward), and the mapping names no choice")
    return first


def write_time(moment: datetime, write: str) -> str:
    """UTC. `iso` keeps milli- or microseconds only where there are any."""
    if write == "odata_v2":
        return odata_v2_text(moment)
    if write == "compact":
        return f"{moment.year:04}{moment:%m%d%H%M%S}"
    spec = "seconds" if not moment.microsecond else "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def _any(kind: ValueType) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        _missing(value)
        _refuse_floats(value, 0)
        return value

    return convert


def _refuse_floats(value: Any, depth: int) -> None:
    if value.__class__ is float:
        raise Reject(f"holds {kind_words(value)}")
    if depth > 50:
        raise Reject("is nested deeper than 50")
    if value.__class__ is dict:
        for item in value.values():
            _refuse_floats(item, depth + 1)
    elif value.__class__ is list:
        for item in value:
            _refuse_floats(item, depth + 1)


_CONVERTERS: dict[str, Callable[[ValueType], Callable[..., Any]]] = {
    "string": _string,
    "integer": _integer,
    "decimal": _decimal,
    "money": _money,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "any": _any,
}
