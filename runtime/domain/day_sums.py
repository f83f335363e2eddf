"""Sums of a day as they are kept: what messages add to them, in plain Python. What is added up can be taken away again,
so an erased payload is taken out of them by the same rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Context, Decimal
from typing import NamedTuple

from runtime.domain.reconciliation import Facts, Total

EXACT = Context(prec=1_000)  # amounts of a message add up without rounding
NEWEST = "n"
EACH_LANE = -1
_LARGEST = 1 << 62
_QUARTER = 900  # seconds: days of every zone begin at a multiple of it


class SumKey(NamedTuple):
    """Where messages are added up. `target` and `code` are empty for what is in the log."""

    day: date
    month: date
    target: str
    code: str
    business: str
    store: str
    currency: str
    lane: int = EACH_LANE


class Summed(NamedTuple):
    """One message with what sums need of it."""

    position: int
    day: date
    month: date
    facts: Facts
    run: int | None = None


@dataclass(slots=True)
class Cell:
    """Count and sum; `unknown` of them say no amount."""

    number: int = 0
    amount: Decimal = Decimal(0)
    unknown: int = 0

    def add(self, number: int, amount: Decimal, unknown: int) -> None:
        self.number += number
        self.amount = EXACT.add(self.amount, amount)
        self.unknown += unknown

    def count(self, facts: Facts, sign: int = 1) -> None:
        self.number += sign
        if facts.amount is None:
            self.unknown += sign
        else:
            self.amount = EXACT.add(self.amount, facts.amount if sign > 0 else -facts.amount)


@dataclass(slots=True)
class ByCurrency:
    """Cells of one line by currency, which become a total: unknown with one unknown amount or two currencies."""

    cells: dict[str, Cell] = field(default_factory=dict)

    def cell(self, currency: str) -> Cell:
        found = self.cells.get(currency)
        if found is None:
            found = self.cells[currency] = Cell()
        return found

    def merge(self, other: ByCurrency, sign: int = 1) -> None:
        for currency, cell in other.cells.items():
            self.cell(currency).add(sign * cell.number, cell.amount if sign > 0 else -cell.amount, sign * cell.unknown)

    @property
    def number(self) -> int:
        return sum(cell.number for cell in self.cells.values())

    def total(self) -> Total:
        present = [(currency, cell) for currency, cell in self.cells.items() if cell.number > 0]
        if not present:
            return Total()
        count = sum(cell.number for _, cell in present)
        if len(present) > 1 or present[0][1].unknown:
            return Total(count, None)
        return Total(count, present[0][1].amount, present[0][0])


@dataclass(slots=True)
class DayDeltas:
    """What some messages of one lane add."""

    cells: dict[SumKey, Cell] = field(default_factory=dict)
    numbers: dict[tuple[date, date, str, str, str], list[int]] = field(default_factory=dict)
    spans: dict[tuple[date, date], tuple[int, int]] = field(default_factory=dict)
    runs: Counter[int] = field(default_factory=Counter)

    def cell(self, key: SumKey) -> Cell:
        found = self.cells.get(key)
        if found is None:
            found = self.cells[key] = Cell()
        return found

    def log(self, messages: Iterable[Summed], sign: int = 1) -> None:
        """They are in the log."""
        for one in messages:
            facts, day = one.facts, (one.day, one.month)
            self.cell(SumKey(*day, "", "", facts.day, facts.store, facts.currency)).count(facts, sign)
            span = self.spans.get(day)
            if span is None:
                self.spans[day] = (one.position, one.position)
            elif one.position > span[1]:
                self.spans[day] = (span[0], one.position)
            number = facts.sequence
            if number is not None and facts.store and facts.till and facts.day and abs(number) < _LARGEST:
                self.numbers.setdefault((*day, facts.day, facts.store, facts.till), []).append(number)

    def target(self, name: str, messages: Iterable[Summed], codes: Callable[[Summed], str], sign: int = 1) -> None:
        """A target has passed them, with these outcomes."""
        for one in messages:
            facts = one.facts
            key = SumKey(one.day, one.month, name, codes(one), facts.day, facts.store, facts.currency)
            self.cell(key).count(facts, sign)

    def newest(self, name: str, lane: int, one: Summed, number: int) -> None:
        """So many more keys of that day are meant for a fleet."""
        self.cell(SumKey(one.day, one.month, name, NEWEST, one.facts.day, "", "", lane)).number += number


class Days:
    """The day of a moment in a zone. Few of them are worked out: a day changes on the quarter of an hour."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone, self._known = zone, dict[int, tuple[date, date]]()

    def of(self, at: datetime) -> tuple[date, date]:
        """(day in the zone, first of its month in UTC)"""
        quarter = int(at.timestamp() // _QUARTER)
        found = self._known.get(quarter)
        if found is None:
            day, utc = at.astimezone(self._zone).date(), at.astimezone(UTC)
            found = self._known[quarter] = day, date(utc.year, utc.month, 1)
        return found
