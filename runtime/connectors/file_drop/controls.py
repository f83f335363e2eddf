"""What a trailer says of the records before it: how many there are, and what a column of them adds up to. What cannot
be read proves nothing, so it is said and never taken for zero."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from runtime.connectors.file_drop.numbers import NumberForm, whole_number


class Control(msgspec.Struct, frozen=True):
    """A trailer record that says how many there are: its first field equals `marker`, the number stands in field
    `count` (counted from 0; -1 is the last one), and where `sum` names a column, field `total` must equal its sum."""

    marker: str
    count: int = 1
    sum: str | None = None
    total: int = 2

    def stated(self, fields: list[str]) -> tuple[str, str | None]:
        """Count and total as a trailer says them, empty where it is too short; None for the total of no column."""
        count, total = (fields[at] if -len(fields) <= at < len(fields) else "" for at in (self.count, self.total))
        return count, total if self.sum else None


class ControlSums:
    """How many records were seen, and what they add up to. An empty amount adds nothing; one that cannot be read makes
    the sum unknown."""

    def __init__(self, column: str, form: NumberForm, what: str = "records", who: str = "the trailer") -> None:
        self.column, self.form, self.what, self.who = column, form, what, who
        self.count, self.total = 0, Decimal(0)
        self.unread = ""  # the first amount that is no number, with its place

    def add(self, amount: str | None, place: str) -> None:
        self.count += 1
        if amount is None or not amount.strip():
            return
        value = self.form.read(amount)
        if value is None:
            self.unread = self.unread or f"{amount.strip()[:40]!r} in {place}"
        else:
            self.total += value

    def contradictions(self, count: str | None, total: str | None) -> Iterator[str]:
        """What the trailer says (None: it says nothing of it) that the records do not; one sentence each."""
        if count is not None and whole_number(count) != self.count:
            yield f"{self.who} says {count.strip() or 'nothing'}, and there are {self.count} {self.what}"
        if total is None:
            return
        if self.unread:
            yield f"the total of {self.column} cannot be checked: {self.unread} is no number {self._spelled()}"
        elif (stated := self.form.read(total)) is None:
            said = f"is {total.strip()!r}, no number {self._spelled()}" if total.strip() else "is missing"
            yield f"{self.who}'s total of {self.column} {said}, and the records add up to {self.total}"
        elif stated != self.total:
            yield f"{self.who}'s total of {self.column} is {total.strip()}, and the records add up to {self.total}"

    def _spelled(self) -> str:
        grouping = f" and {self.form.grouping!r} between its digits" if self.form.grouping else ""
        return f"with {self.form.decimal!r} before its fraction{grouping} ('decimal' and 'grouping' of the dialect)"
