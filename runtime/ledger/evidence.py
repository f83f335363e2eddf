"""Evidence of one batch of deliveries: how many of its messages ended how, and which of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from runtime.domain.outcome_codes import CONFIRMED

LONGEST = 20_000  # positions of one batch whose outcomes are written one by one


@dataclass(slots=True)
class DeliveryEvidence:
    """Evidence of one batch: positions `first` to `last` and what became of them. `outcome` is one word.

    `outcomes` has one code (`runtime.domain.outcome_codes`) for each position from `first` to `last`, None where
    all are confirmed; so a run that has only a part of the batch counts its own messages. `references` holds what the
    vendor calls the confirmed ones, in the order of the positions.
    """

    first: int
    last: int
    outcome: str
    confirmed: int = 0
    superseded: int = 0
    skipped: int = 0
    refused: int = 0
    waiting: int = 0
    references: list[Any] | None = None
    declined: int = 0
    outcomes: str | None = None


_COUNTS = ("confirmed", "superseded", "skipped", "refused", "waiting", "declined")
_NO_EVIDENCE: dict[str, Any] = {
    "first": None,
    "last": None,
    "outcome": None,
    "references": None,
    "outcomes": None,
} | dict.fromkeys(_COUNTS, 0)


def evidence_arguments(evidence: DeliveryEvidence | None) -> dict[str, Any]:
    """The parameters of `sql/step.sql`; without evidence all of them say so."""
    if evidence is None:
        return _NO_EVIDENCE
    return {
        "first": evidence.first,
        "last": evidence.last,
        "outcome": evidence.outcome,
        "confirmed": evidence.confirmed,
        "superseded": evidence.superseded,
        "skipped": evidence.skipped,
        "refused": evidence.refused,
        "waiting": evidence.waiting,
        "declined": evidence.declined,
        "references": Jsonb(evidence.references) if evidence.references else None,
        "outcomes": evidence.outcomes,
    }


def outcomes_by_position(first: int, last: int, groups: Mapping[str, Iterable[int]], *, rest: str) -> str | None:
    """One code for each position: that of its group, `rest` for positions in no group. None where all are confirmed,
    and for a batch of more than LONGEST positions."""
    count = last - first + 1
    if count > LONGEST:
        return None
    codes = [rest] * count
    for code, positions in groups.items():
        for position in positions:
            codes[position - first] = code
    return None if codes.count(CONFIRMED) == count else "".join(codes)
