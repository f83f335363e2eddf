"""What an operator accepts for a while: GUARD_ACCEPTS=redis:2026-12-31,mail:2026-12-15. Never without an end, and never
silently: the log, the page *Installation* and the ledger name it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from portal.guard.rules import REFUSING

SETTING: Final = "GUARD_ACCEPTS"
AT_MOST: Final = timedelta(days=90)


def read(text: str, today: date) -> Mapping[str, date]:
    """The last day of each. Raises ValueError with what the setting should be."""
    found: dict[str, date] = {}
    for part in filter(None, re.split(r"[,\s]+", text)):
        name, _, day = part.partition(":")
        if name not in REFUSING:
            raise ValueError(f"names findings of the guard ({', '.join(sorted(REFUSING))}), not {name!r}")
        try:
            until = date.fromisoformat(day)
        except ValueError:
            raise ValueError(f"gives each its last day, as in {name}:{today + timedelta(days=30)}") from None
        if until > today + AT_MOST:
            raise ValueError(f"ends within {AT_MOST.days} days: {name} by {today + AT_MOST} at the latest")
        if name in found:
            raise ValueError(f"names {name} twice")
        found[name] = until
    return found
