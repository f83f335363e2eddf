"""Change stamps of a source: what they mean, how far ahead of now one may lie, and which of them move a cursor."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from kernel import clock
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.domain.versions import EPOCH, Unbelieved

AHEAD = 300.0  # seconds between two clocks, at most
AHEAD_WITHOUT_ZONE = 86_400.0
LATER = "its time of change ({stamp}) lies in the future; correct it, so that its place among others is known"
_PER_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_WHOLE = re.compile(r"[0-9]{1,40}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ]|\Z)")
_OTHER_TIME = re.compile(r"[0-9]{4}-?[0-9W]")
_DIGITS = Context(prec=64)
_FRACTION = re.compile(r"\.(\d+)")


class StampRules(msgspec.Struct, frozen=True):
    """numbers  numbers are times since 1970 in this unit, also with a fraction (`1772445600.25`); without it they are
             counters
    ahead    seconds that a time may lie ahead of now; without it 300, and a day where the time has no zone
    jump     how far a counter may be above the highest one before it; without it, any

    A stamp beyond that is wrong: its row is read and stored as the newest of its key, but it moves no cursor and keeps
    no later state from being stored.
    """

    numbers: Literal["seconds", "milliseconds", "microseconds"] | None = None
    ahead: Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)] | None = None
    jump: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def seconds_ahead(self, *, zoned: bool) -> float:
        if self.ahead is not None:
            return self.ahead
        return AHEAD if zoned else AHEAD_WITHOUT_ZONE

    def latest(self, *, zoned: bool, per_second: int) -> int:
        """The highest time since 1970 that can be true, in parts of a second."""
        return int((clock.now().timestamp() + self.seconds_ahead(zoned=zoned)) * per_second)

    def now_in(self, per_second: int) -> int:
        """Now, as a time since 1970 in parts of a second."""
        return int(clock.now().timestamp() * per_second)

    def in_future(self, value: str) -> bool:
        """Whether a stamp is a time that cannot have come yet."""
        if (number := _number(value)) is not None:
            return self.numbers is not None and number > self.latest(zoned=True, per_second=_PER_SECOND[self.numbers])
        moment = _moment(value) if _OTHER_TIME.match(value) else None
        if moment is None:
            return False
        zoned = moment.tzinfo is not None
        limit = clock.now() + timedelta(seconds=self.seconds_ahead(zoned=zoned))
        return (moment if zoned else moment.replace(tzinfo=UTC)) > limit

    def wrong(self, values: Iterable[str], before: Iterable[str] = (), *, jumps: bool = False) -> dict[str, str]:
        """Stamps that cannot be true, and why. `jumps`: the rows share a counter; `before` are its highest values so
        far."""
        given = list(dict.fromkeys(values))
        found = {value: "lies in the future" for value in given if self.in_future(value)}
        if not jumps or self.jump is None or self.numbers is not None:
            return found
        known = [int(one) for one in before if _WHOLE.match(one)]
        counters = sorted((int(one), one) for one in given if _WHOLE.match(one))
        high = max(known) if known else counters[0][0] if counters else 0
        for number, value in counters:
            if number > high + self.jump:
                found[value] = f"is more than {self.jump} above {high}"
            else:
                high = max(high, number)
        return found

    def believed(self, records: Sequence[Record], wrong: Container[str], shown: str | None) -> list[Record]:
        """Rows whose stamp cannot be true count as the newest of their key, at the highest stamp that the feed has
        shown, if that can have come already: they stand in the way of no later state."""
        counts = Unbelieved.of(None if shown is None else self.not_after(shown, clock.now()))
        return [replace(record, version=counts) if record.version in wrong else record for record in records]

    def judged(self, record: Record) -> Record | RejectedRecord:
        """A row that is judged after it came: which state is newer than one whose stamp is wrong, nobody can say."""
        if record.version is None or not self.in_future(record.version):
            return record
        return RejectedRecord(record.origin, LATER.format(stamp=record.version[:40]), record.payload, record.key)

    def went_back(self, value: str, overlap: float) -> str:
        """A value of a change parameter, less the overlap, in the form in which the service wrote it. What is neither a
        time nor a whole number stays."""
        if not overlap:
            return value
        if (number := _number(value)) is not None:
            earlier = max(number - round(overlap * _PER_SECOND.get(self.numbers or "", 1)), Decimal(0))
            return f"{earlier.quantize(number, context=_DIGITS):f}"
        moment = _moment(value)
        if moment is None:
            return value
        if len(value) == 10:
            return (moment.date() - timedelta(days=max(round(overlap / 86_400 + 0.5), 1))).isoformat()
        return written(moment - timedelta(seconds=overlap) - _hour_twice(moment), value)

    def not_after(self, value: str, moment: datetime) -> str:
        """A stamp, or the moment in its form where it lies behind that. Counters, and times without a zone, stay."""
        if self.numbers is not None and (number := _number(value)) is not None:
            limit = int(moment.timestamp() * _PER_SECOND[self.numbers])
            return value if number <= limit else str(limit)
        meant = _moment(value) if _TIME.match(value) and len(value) > 10 else None
        if meant is None or meant.tzinfo is None or meant <= moment:
            return value
        return written(moment.astimezone(meant.tzinfo), value)

    def moment(self, value: str) -> datetime | None:
        """The moment that a stamp is, without a zone where it has none; None for a counter and for what is none."""
        number = _number(value)
        if number is None:
            return _moment(value) if _OTHER_TIME.match(value) else None
        if self.numbers is None:
            return None
        try:
            return datetime.fromtimestamp(float(number) / _PER_SECOND[self.numbers], UTC)
        except (ValueError, OverflowError, OSError):
            return None

    def written_like(self, moment: datetime, initial: str | None) -> str | None:
        """A time as a change parameter; None where the stamps are counters."""
        if self.numbers is not None:
            return str(int(moment.timestamp() * _PER_SECOND[self.numbers]))
        if (initial or "").isdecimal():
            return None
        return written(moment.astimezone(UTC), initial or "0000-00-00T00:00:00Z")


def _hour_twice(moment: datetime) -> timedelta:
    """How much more a reader goes back from a time without zone: clocks are set back at night, and the hour that comes
    twice has the same times again."""
    at_night = moment.tzinfo is None and (moment.hour >= 21 or moment.hour < 5)
    return timedelta(hours=1) if at_night else timedelta(0)


def said_of_wrong(field: str, wrong: Mapping[str, str]) -> str:
    """The warning about stamps that cannot be true."""
    value, why = next(iter(wrong.items()))
    return (
        f"{field} {why} ({value[:40]}): read and stored as the newest of its key, but the next run begins before it, "
        "and any later state is newer"
    )


def highest(values: Iterable[str], like: Iterable[str | None]) -> str | None:
    """The highest of stamps that can be true. All of a feed are numbers or all are times: the first of `like` that is
    one of them says which, else most of the values. Whatever is neither does not count."""
    numbers, times = dict[str, Decimal](), dict[str, datetime]()
    for value in values:
        meant = _meaning(value)
        if isinstance(meant, Decimal):
            numbers[value] = meant
        elif meant is not None:
            times[value] = meant
    kind = next((type(meant) for one in like if one and (meant := _meaning(one)) is not None), None)
    if kind is Decimal or (kind is None and len(numbers) > len(times)):
        return max(numbers, key=numbers.__getitem__, default=None)
    return max(times, key=times.__getitem__, default=None)


def written(moment: datetime, like: str) -> str:
    """A time in the form of another one: separator, digits of the fraction, Z or offset."""
    fraction = _FRACTION.search(like)
    precision = "seconds" if fraction is None else "milliseconds" if len(fraction[1]) <= 3 else "microseconds"
    shown = moment.isoformat(sep=like[10], timespec=precision)
    return shown.removesuffix("+00:00") + "Z" if like.endswith(("Z", "z")) else shown


def _number(value: str) -> Decimal | None:
    """The whole number that a value is, or the time since 1970 with a fraction."""
    return Decimal(value) if _WHOLE.match(value) or EPOCH.match(value) else None


def _meaning(value: str) -> Decimal | datetime | None:
    """The number or the time (UTC where it has no zone) that a value is; None where it is neither."""
    if (number := _number(value)) is not None:
        return number
    moment = _moment(value) if _TIME.match(value) else None
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _moment(value: str) -> datetime | None:
    try:
        if len(value) == 10:
            return datetime.combine(date.fromisoformat(value), datetime.min.time())
        return datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        return None
