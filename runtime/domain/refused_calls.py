"""Calls of tills and pipelines that were refused: which of them are one spell, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kernel.ui.wording import counted, number

APART = timedelta(minutes=2)
"""What was refused further apart belongs to two spells."""
OPERATIONS: Final[dict[str, str]] = {"intake": "Intake", "gate": "The gate"}
REASONS: Final[dict[str, str]] = {
    "database.unavailable": "the database did not answer",
    "database.read_only": "the database took no writes",
    "database.busy": "others held what the call needed",
    "database.slow": "the database took too long",
    "database.full": "the database had no room left",
    "database.crowded": "the database had no free connection",
    "intake.database": "the message could not be stored",
    "request.busy": "all threads of the web server were busy",
    "request.slow": "the answer took too long",
    "request.no_room": "there was no room for the bodies of requests",
    "answer.no_room": "there was no room for the answers",
    "page.server_error": "something failed on our side, which the log of the web server tells",
}


class RefusedRow(NamedTuple):
    """Of one minute: calls of one operation that were refused for one reason."""

    operation: str
    why: str
    refused: int
    first_at: datetime
    last_at: datetime


@dataclass(slots=True)
class RefusedSpell:
    """From `since` to `until` calls of one operation were refused again and again, by `reasons` (codes)."""

    operation: str
    since: datetime
    until: datetime
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.reasons.total()

    @property
    def title(self) -> str:
        """ "Intake refused 184 calls"."""
        return f"{OPERATIONS.get(self.operation, self.operation)} refused {counted(self.refused, 'call')}"

    @property
    def says(self) -> str:
        """ "Intake refused 184 calls from 05:08:06 to 05:08:57 UTC on 30 November 2026: ..."."""
        until = (
            f"{self.until:%H:%M:%S}" if self.since.date() == self.until.date() else f"{self.until:%Y-%m-%d %H:%M:%S}"
        )
        return f"{self.title}, {self.since:%Y-%m-%d %H:%M:%S} to {until} UTC: {self.because}"

    @property
    def because(self) -> str:
        """The most frequent reason first, with numbers where there are several."""
        found = [(REASONS.get(why, why), count) for why, count in self.reasons.most_common()]
        if len(found) == 1:
            return found[0][0]
        return "; ".join(f"{words} ({number(count)})" for words, count in found)


def spells(rows: Iterable[RefusedRow]) -> list[RefusedSpell]:
    """The newest first."""
    found: list[RefusedSpell] = []
    last: dict[str, RefusedSpell] = {}
    for row in sorted(rows, key=lambda row: row.first_at):
        held = last.get(row.operation)
        if held is None or row.first_at - held.until > APART:
            held = last[row.operation] = RefusedSpell(row.operation, row.first_at, row.last_at)
            found.append(held)
        held.reasons[row.why] += row.refused
        held.until = max(held.until, row.last_at)
    return sorted(found, key=lambda one: one.since, reverse=True)
