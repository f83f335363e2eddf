"""When a consumer of a version that ends is told: at once, at fixed distances from the sunset, again while it has not
answered, and every week after the sunset for as long as it still calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

DAYS_BEFORE: Final = (90, 30, 7, 1)
REMIND_AFTER: Final = timedelta(days=14)
AGAIN_AFTER_SUNSET: Final = timedelta(days=7)
ANNOUNCED: Final = "announced"


def due(*, sunset_at: datetime, now: datetime, said: Mapping[str, datetime], answered: bool) -> str | None:
    """The one step to tell now, or None. `said` has the steps that were told about this very sunset, with their times.

    Steps are `announced`, `90-days`, `30-days`, `7-days`, `1-day`, `reminder-<n>` and `past-<n>` (the weeks since the
    sunset). Steps that were missed, by a late deprecation or a process that stood still, are not told later: only
    the nearest one counts.
    """
    if now >= sunset_at:
        step = f"past-{(now - sunset_at) // AGAIN_AFTER_SUNSET}"
        return None if step in said else step
    if not said:
        return ANNOUNCED
    newest = max(said.values())
    for days in sorted(DAYS_BEFORE):
        begins = sunset_at - timedelta(days=days)
        if now >= begins:
            if newest < begins:
                return _before(days)
            break
    if not answered and now - newest >= REMIND_AFTER:
        return f"reminder-{sum(step.startswith('reminder-') for step in said) + 1}"
    return None


def _before(days: int) -> str:
    return f"{days}-day" if days == 1 else f"{days}-days"


def asks_for_an_answer(step: str) -> bool:
    """True for a step whose words ask a consumer that has not answered yet."""
    return not step.startswith("past-")
