"""How long a claim holds, and so for how long its owner may go on calling a vendor after it has lost the database."""

from __future__ import annotations

import os

LEASE_SECONDS = float(os.environ.get("TILLGATE_LEASE_SECONDS") or "15")
CALL_MARGIN = LEASE_SECONDS / 5  # what a lease lasts longer than the call under it
MOST_CALLS = 3  # of one try of a quarantined message: ask, send, ask


def lease_for_call(deadline: float) -> float:
    """Seconds that a lease has to last so that a call of that length ends within it."""
    return max(LEASE_SECONDS, deadline + CALL_MARGIN)


def longest_lease(deadline: float) -> float:
    """Seconds for which some claim may hold at a target with this deadline: of a lane, or of a quarantined message,
    whose lease is for all calls of one try. A call ends within its lease, and its owner looks at its own clock."""
    return max(lease_for_call(deadline), MOST_CALLS * deadline)
