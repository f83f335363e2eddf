"""How long tills had to wait for what others did to the database or at the front door: goals R10 and R11.

A spell is the time for which something was broken. After its end (for what the product itself has to end, after its
begin) every till that hands in over HTTP has to be answered well again within `GOOD_WITHIN` (after a step of the clock
within a lease); of its calls that begin afterwards at most one may fail. A spell into whose time something else falls,
as a web process that is ended, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.judge import Verdict

GOOD_WITHIN = 5.0  # seconds (R10)
AS_LONG_AS_A_LEASE = {"clock": 15.0}  # R10 says so of steps of the clock: PostgreSQL's own timers go by that clock
MOST_FAILED = 1  # calls of a till (R10)
DISTURBING = frozenset({"restart", "postgres", "web", "web started again", "calm"})  # as the history calls them


@dataclass(frozen=True, slots=True)
class TillCall:
    """One call of a till: its answer, and when it began and ended, in seconds since 1970."""

    answer: str
    began: float
    ended: float


@dataclass(slots=True)
class Spell:
    """`over`: when the product has no excuse any more. None while it lasts."""

    kind: str
    began: float
    over: float | None = None


@dataclass(slots=True)
class Waits:
    """What the spells of one round meant to its tills."""

    good_after: dict[str, float] = field(default_factory=dict)  # the longest, by kind
    failed_after: dict[str, int] = field(default_factory=dict)  # of one till, the most, by kind
    spells: dict[str, int] = field(default_factory=dict)

    def facts(self) -> dict[str, object]:
        good = {kind: round(seconds, 2) for kind, seconds in self.good_after.items()}
        return {"spells": self.spells, "good after": good, "failed after": self.failed_after}


def read(path: Path) -> list[TillCall]:
    """The calls that a till has noted (`tills.OverHttp`)."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    parts = [line.split() for line in lines]
    return [TillCall(answer, float(began), float(ended)) for answer, began, ended in parts]


def judge(
    verdict: Verdict, spells: Iterable[Spell], tills: Sequence[Sequence[TillCall]], disturbed: Sequence[float]
) -> Waits:
    """`disturbed`: the moments at which something else was broken."""
    known, waits = list(spells), Waits()
    for spell in known:
        if spell.over is None or any(
            spell.began < at < spell.over + GOOD_WITHIN for at in (*disturbed, *(o.began for o in known if o != spell))
        ):
            continue
        waits.spells[spell.kind] = waits.spells.get(spell.kind, 0) + 1
        for number, calls in enumerate(tills):
            _judge_one(verdict, spell, spell.over, f"till {number}", calls, waits)
    return waits


def _judge_one(verdict: Verdict, spell: Spell, over: float, till: str, calls: Sequence[TillCall], waits: Waits) -> None:
    before = [call for call in calls if call.ended <= spell.began]
    after = [call for call in calls if call.ended > over]
    if not after or not before or before[-1].answer != "202":
        return  # it had handed in everything, or was not answered well even before: the machine is slow
    good = next((call.ended - over for call in after if call.answer == "202"), None)
    waited = after[-1].ended - over if good is None else good
    within = AS_LONG_AS_A_LEASE.get(spell.kind, GOOD_WITHIN)
    failed = sum(call.answer != "202" for call in after if over <= call.began <= over + GOOD_WITHIN)
    waits.good_after[spell.kind] = max(waits.good_after.get(spell.kind, 0.0), waited)
    waits.failed_after[spell.kind] = max(waits.failed_after.get(spell.kind, 0), failed)
    if waited > within:
        verdict.add("held_up", f"{till} was not answered well for {waited:.1f} s after {spell.kind}")
    elif failed > MOST_FAILED and within == GOOD_WITHIN:
        verdict.add("held_up", f"{failed} calls of {till} failed that began after {spell.kind} was over")
