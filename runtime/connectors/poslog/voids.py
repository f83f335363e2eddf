"""Which entries of a receipt count for nothing, because the till took them back.

Tills write that in three ways. *Opposite*: the line stays, and a second one with `VoidFlag` has the opposite amount
(NCR ACS). *Link*: the second line has an `ItemLink` to the first, its amount with whichever sign (Wincor / Diebold
TP.net). *Flag*: the line itself has `VoidFlag` and is outside of the total. Nothing in the document says which it is,
so `auto` takes the way in which the receipt adds up.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runtime.connectors.poslog.rules import Voids


@dataclass(frozen=True)
class Entry:
    """One entry of a receipt. `family` is the list of the document in which it stands, `name` what it is about
    (article, kind), `amount` as it is written, `effect` what it adds to the total; None: it says none."""

    family: str
    data: dict[str, Any]
    voided: bool
    name: str
    amount: Decimal | None
    effect: Decimal | None
    link: int | None = None
    discounted: Decimal | None = None  # `effect` after the line's own discount, where the line states one
    divided: Decimal | None = None  # `effect` of a tender in another currency, where its rate divides
    unit: Decimal = Decimal(0)  # how exact that is
    flaw: str = ""  # why it cannot be told what it adds

    @property
    def sequence(self) -> int:
        made: int = self.data["sequence"]
        return made


class UnclearVoid(Exception):
    """In this reading a voided entry has no counterpart; the message says which."""


Reading = tuple[str, frozenset[int]]
"""Its name, and the places of the entries that count for nothing."""


def readings(entries: Sequence[Entry], declared: Voids) -> Iterator[Reading | UnclearVoid]:
    """The ways to read the voided entries, the likeliest first."""
    voided = [at for at, entry in enumerate(entries) if entry.voided]
    if not voided:
        yield "none", frozenset()
        return
    for name in _AUTO if declared == "auto" else (declared,):
        try:
            yield name, _without(entries, voided, READINGS[name])
        except UnclearVoid as error:
            yield error


def _without(entries: Sequence[Entry], voided: list[int], partner: Partner) -> frozenset[int]:
    out = set(voided)
    taken: set[int] = set()
    find = partner(entries)
    for at in voided:
        found = find(at, taken)
        if found is not None:
            taken.add(found)
    return frozenset(out | taken)


def _linked(entries: Sequence[Entry]) -> Finder:
    places: dict[tuple[str, int], deque[int]] = defaultdict(deque)
    for place, entry in enumerate(entries):
        places[entry.family, entry.sequence].append(place)

    def find(at: int, taken: set[int]) -> int | None:
        entry = entries[at]
        known = places.get((entry.family, entry.link), deque[int]()) if entry.link is not None else deque[int]()
        while known and known[0] in taken:
            known.popleft()
        place = next((one for one in known if one != at and one not in taken), None)
        if place is None:
            raise UnclearVoid(f"void: {_entry(entry)} {entry.sequence} has no ItemLink to what it voids")
        other = entries[place]
        if other.amount is None or entry.amount is None or abs(other.amount) != abs(entry.amount):
            said = f"{entry.sequence} voids {entry.amount} and links to {other.sequence} of {other.amount}"
            raise UnclearVoid(f"void: {_entry(entry)} {said}")
        return place

    return find


def _paired(sign: int) -> Partner:
    def partner(entries: Sequence[Entry]) -> Finder:
        before: dict[tuple[str, str, Decimal], list[int]] = defaultdict(list)  # places that were passed, of each kind
        passed = 0

        def find(at: int, taken: set[int]) -> int | None:
            nonlocal passed
            for place in range(passed, at):
                other = entries[place]
                if not other.voided and other.amount is not None:
                    before[other.family, other.name, other.amount].append(place)
            passed = max(passed, at)
            entry = entries[at]
            known = [] if entry.amount is None else before.get((entry.family, entry.name, sign * entry.amount), [])
            while known and known[-1] in taken:
                known.pop()
            if known:
                return known[-1]
            amount = "nothing" if entry.amount is None else sign * entry.amount
            raise UnclearVoid(
                f"void: {_entry(entry)} {entry.sequence} voids {entry.name or 'something'}, of which none with "
                f"{amount} stands before it"
            )

        return find

    return partner


def _alone(entries: Sequence[Entry]) -> Finder:
    return lambda at, taken: None


def _linked_or(other: Partner) -> Partner:
    def partner(entries: Sequence[Entry]) -> Finder:
        linked, unlinked = _linked(entries), other(entries)
        return lambda at, taken: (linked if entries[at].link is not None else unlinked)(at, taken)

    return partner


def _entry(entry: Entry) -> str:
    return entry.family.removesuffix("s").removesuffix("xe")


Finder = Callable[[int, set[int]], "int | None"]
"""Of the place of a voided entry and the places that are taken: the place of what it voids. Asked in the order of
the entries, so that each of them is looked at once."""
Partner = Callable[[Sequence[Entry]], Finder]
READINGS: dict[str, Partner] = {
    "link": _linked,
    "opposite": _paired(-1),
    "flag": _alone,
    "link or opposite": _linked_or(_paired(-1)),
    "link or same": _linked_or(_paired(1)),
}
_AUTO = ("link or opposite", "link or same", "flag", "opposite")
