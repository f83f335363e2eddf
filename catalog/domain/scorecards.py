"""Scorecards: advice with the facts behind each point. Never the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernel.ui.wording import counted

POINTS: Final[dict[str, str]] = {
    "owner": "Has an owner",
    "purpose": "States its purpose",
    "contract": "The live contract reads without problems",
    "entities": "Names its business entities",
    "record": "Each of its entities has a system of record",
    "tier": "Has an SLA tier",
    "data_class": "Has a data class",
    "judged": "The live version was approved, not only imported",
    "successor": "Deprecated versions name a successor and a guide",
    "degraded": "States what happens if it fails",
    "measured": "Usage was reported in the last 30 days",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One point: `holds` None is "does not apply". `fact` says what was found."""

    key: str
    title: str
    holds: bool | None
    fact: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    subject: str
    points: tuple[Point, ...]

    @property
    def reached(self) -> int:
        return sum(1 for p in self.points if p.holds)

    @property
    def possible(self) -> int:
        return sum(1 for p in self.points if p.holds is not None)


def score(facts: Mapping[str, Any]) -> Scorecard:
    """The scorecard of one API from its facts (`selectors.scorecards`). The facts are counts and names; this decides
    which points hold."""
    live, problems = facts["live_versions"], facts["contract_problems"]
    unrecorded, deprecated = facts["entities_without_record"], facts["deprecated_without_help"]
    rows = (
        ("owner", bool(facts["owner"]), facts["owner"] or "no owner team"),
        ("purpose", len(facts["purpose"].split()) >= 4, f"{len(facts['purpose'].split())} words"),
        ("contract", problems == 0 if live else None, counted(problems, "warning") if live else "no live version"),
        ("entities", facts["entities"] > 0, f"{facts['entities']} named"),
        (
            "record",
            not unrecorded if facts["entities"] else None,
            f"without a record: {', '.join(unrecorded)}" if unrecorded else "all have one",
        ),
        ("tier", facts["tier"] is not None, "not stated" if facts["tier"] is None else f"tier {facts['tier']}"),
        ("data_class", bool(facts["data_class"]), facts["data_class"] or "not stated"),
        ("judged", facts["unjudged"] == 0 if live else None, f"{facts['unjudged']} imported without a decision"),
        (
            "successor",
            not deprecated if facts["deprecated"] else None,
            f"missing on {', '.join(deprecated)}" if deprecated else "all say where to go",
        ),
        (
            "degraded",
            bool(facts["if_it_fails"]) if facts["tier"] in (0, 1) else None,
            "said" if facts["if_it_fails"] else "not said",
        ),
        (
            "measured",
            facts["calls"] is not None if live else None,
            "never reported" if facts["calls"] is None else f"{facts['calls']:,} calls",
        ),
    )
    return Scorecard(facts["slug"], tuple(Point(key, POINTS[key], holds, fact) for key, holds, fact in rows))


def share(cards: Iterable[Scorecard], point: str) -> tuple[int, int]:
    """(reached, possible) of one point over many cards."""
    found = [p.holds for card in cards for p in card.points if p.key == point and p.holds is not None]
    return sum(1 for holds in found if holds), len(found)
