"""A break that its consumer agreed to holds until the day by which the consumer has migrated, and not a day longer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import GateCase

NEVER = ""


def over_since(case: GateCase, reference: str, consumer: str, node: Evidence) -> str | None:
    """None where the agreement still carries the break (then there is a warning with the days that are left). Otherwise
    what to say beside the denial: nothing where nobody agreed, or by when the consumer had to be gone."""
    if case.engine < 3 or node.says("agreed", "none"):
        return NEVER
    piece = node.child("agreed")
    if piece.value is MISSING or piece.value == "none":
        return NEVER
    change, text = piece.whole("change"), piece.text("migrate_by")
    try:
        by = date.fromisoformat(text)
    except (TypeError, ValueError):
        piece.child("migrate_by").unusable()
        return NEVER
    if change is MISSING:
        return NEVER
    ends = datetime.combine(by, time(0), UTC) + timedelta(days=1)
    if ends <= case.as_of:
        return f" It had until {by.isoformat()}, as its owner agreed in change {change}."
    left = (ends - case.as_of) // timedelta(days=1)
    days = "today is the last day" if left == 0 else f"{left} day{'s' if left != 1 else ''} left"
    case.warn(
        "contract.migrate_by",
        reference,
        f"{consumer} has to be gone by {by.isoformat()} from what {reference} changed (change {change}): {days}.",
    )
    return None
