"""What two sides are compared by: the facts in a message that a control total needs, and the gaps in what a till has
numbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from kernel.strict_json import within_bounds

# One word for what became of a message at one target. All but the first three say that something is still open or was
# decided.
DELIVERED, NOT_MEANT, REPLACED = "delivered", "not_meant", "replaced"
WAITING, RETRYING, BEHIND, DEAD, UNKNOWN, CLOSED = "waiting", "retrying", "behind", "dead", "unknown", "closed"
DECLINED, BLOCKED = "declined", "blocked"  # blocked: behind a message that waits for a person
STATES = (DELIVERED, WAITING, RETRYING, BEHIND, DEAD, UNKNOWN, CLOSED, NOT_MEANT, REPLACED, DECLINED, BLOCKED)


@dataclass(frozen=True, slots=True)
class Facts:
    """Who sold when for how much, as far as the message says so under the names of the canonical sale; None is unknown,
    never zero."""

    store: str = ""
    till: str = ""
    day: str = ""
    sequence: int | None = None
    amount: Decimal | None = None
    currency: str = ""


def facts_of(document: Any) -> Facts:
    """`store`, `till`, `businessDate` (or `business_date`), `sequence`, `total`, `currency` of a message; whatever is
    odd is unknown."""
    if not isinstance(document, Mapping):
        return Facts()
    day = document.get("businessDate")
    return facts_from(
        document.get("store"),
        document.get("till"),
        document.get("business_date") if day is None else day,
        document.get("sequence"),
        document.get("total"),
        document.get("currency"),
    )


def facts_from(store: Any, till: Any, day: Any, sequence: Any, total: Any, currency: Any) -> Facts:
    """The values of a message, as they are, as facts."""
    return Facts(
        _text(store),
        _text(till),
        _text(day)[:10],
        sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None,
        amount_of(total),
        _text(currency)[:3],
    )


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:80].replace("\0", "\ufffd")


def amount_of(value: Any) -> Decimal | None:
    """A decimal of a size that messages may have, from a number or its text; a binary float is no amount."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    try:
        made = Decimal(value)
    except InvalidOperation:
        return None
    return made if made.is_finite() and within_bounds(made) else None


_EXACT = Context(prec=1_000)  # what `within_bounds` admits adds up without rounding


@dataclass(slots=True)
class Total:
    """Count and sum. The sum is unknown as soon as one message has no amount, or two have different currencies."""

    count: int = 0
    amount: Decimal | None = Decimal(0)
    currency: str | None = None

    def add(self, facts: Facts) -> None:
        self.count += 1
        if self.amount is None:
            return
        mixed = self.currency is not None and self.currency != facts.currency
        if facts.amount is None or mixed:
            self.amount = None
            return
        self.amount = _EXACT.add(self.amount, facts.amount)
        self.currency = facts.currency

    @property
    def known(self) -> bool:
        return self.amount is not None and self.count > 0


@dataclass(slots=True)
class Tally:
    """One line of a reconciliation: what a target was due, and what became of it, each with count and sum. Due is what
    came in; what a person had edited was delivered as edited: `edited` counts it, with the difference that it makes."""

    due: Total = field(default_factory=Total)
    edited: Total = field(default_factory=Total)
    by_state: dict[str, Total] = field(default_factory=lambda: {state: Total() for state in STATES})

    def add(self, state: str, facts: Facts) -> None:
        self.by_state[state].add(facts)
        if state not in (NOT_MEANT, REPLACED):
            self.due.add(facts)

    def count(self, *states: str) -> int:
        return sum(self.by_state[state].count for state in states)

    @property
    def balanced(self) -> bool:
        """Everything that was due is delivered, declined by the target's business, or a person has closed it."""
        return self.due.count == self.count(DELIVERED, DECLINED, CLOSED)


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a till that are missing between two that came, first and last included."""

    store: str
    till: str
    day: str
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def gaps(facts: Iterable[Facts]) -> list[Gap]:
    """Per till and business day, what lies between the lowest and the highest number that came. What would come after
    the highest is not known. Tills number every transaction, also those that are no sale, so a gap means that something
    is missing."""
    seen: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for one in facts:
        if one.store and one.till and one.day and one.sequence is not None:
            seen.setdefault((one.store, one.till, one.day), []).append((one.sequence, one.sequence))
    return gaps_between(seen)


def gaps_between(ranges: Mapping[tuple[str, str, str], Iterable[tuple[int, int]]]) -> list[Gap]:
    """The same of ranges of numbers that came, first and last of each, by store, till and business day."""
    found = []
    for (store, till, day), came in sorted(ranges.items()):
        highest: int | None = None
        for first, last in sorted(came):
            if highest is not None and first > highest + 1:
                found.append(Gap(store, till, day, highest + 1, first - 1))
            highest = last if highest is None else max(highest, last)
    return found
