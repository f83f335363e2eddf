"""How long an exception may last. The database has the same numbers: docs/how-to/change-a-limit-of-time.md lists
them."""

from __future__ import annotations

from typing import Final

WAIVER_DAYS: Final = 90
"""The longest time between the start and the end of a waiver, in days."""

BREAK_GLASS_HOURS: Final = 4
"""The longest break-glass window, in hours; also what the form and the REST API propose."""

BREAK_GLASS_REVIEW_DAYS: Final = 3
"""How long after the end of a break-glass its review may be open before it is overdue, in days."""
