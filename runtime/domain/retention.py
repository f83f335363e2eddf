"""Rules of retention: what a policy may say, and when a fact is too old to be told from one that is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from kernel.errors import finding

GRACE_DAYS = 7
SHORTEST = 35  # a till may be without a line for weeks, a month is reconciled after its end, and a replay reaches back
LONGEST = 36_500
CLASSES = ("messages", "evidence", "runs", "rejected", "comparisons", "heads", "events")
WITH_MESSAGES = ("evidence", "runs")  # without these a message that is still there could not say what became of it


def problems(
    data_class: str, days: int | None, now: Mapping[str, int | None], *, per_integration: bool
) -> list[dict[str, Any]]:
    """What is wrong with a policy; `now` holds the others that are in force with it."""
    if data_class not in CLASSES:
        return [finding("/data_class", f"a data class is one of {', '.join(CLASSES)}")]
    found = []
    if days is not None and not SHORTEST <= days <= LONGEST:
        found.append(finding("/days", f"between {SHORTEST} and {LONGEST} days, or none for ever"))
    if per_integration and data_class == "events":
        found.append(finding("/integration", "events are kept equally long for all integrations"))
    given = {**now, data_class: days}
    for other in WITH_MESSAGES:
        if _shorter(given[other], given["messages"]) and data_class in (other, "messages"):
            found.append(finding("/days", f"{other} are kept at least as long as the messages that they are about"))
    if (
        data_class in ("heads", "messages")
        and given["heads"] is not None
        and _shorter(given["messages"], given["heads"])
    ):
        found.append(finding("/days", "messages are kept at least as long as the window of known keys"))
    return found


def _shorter(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one < other)


def too_old(business_date: str, window_days: int | None, today: date) -> bool:
    """Whether a fact of that business date lies before the window in which known keys are kept. False where its date is
    not known: then its key is kept for ever."""
    if window_days is None or len(business_date) < 10:
        return False
    try:
        day = date.fromisoformat(business_date[:10])
    except ValueError:
        return False
    return day < today - timedelta(days=window_days)
