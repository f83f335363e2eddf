"""Three times of a vendor that decide what may be sent again, and when.

`settle`: for how long after a call it may still act on it; 0 where what comes late does no harm. `key_kept`: for how
long it knows our keys. `deadline`: how long one call may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_DEADLINE = 5.0
DEFAULT_SETTLE = 30.0
DEFAULT_KEY_KEPT = 86_400.0
"""What releases go by that were registered before a manifest could say it."""
MOST_MARGIN = 60.0


def settle_of(given: float | None, limits: Mapping[str, Any], deadline: float, *, compares: bool = False) -> float:
    """Seconds after a call within which the vendor may still act on it: what the manifest says, else its profile, else
    none where the vendor `compares` versions, so that what comes late changes nothing, else twice the call's own
    deadline and at least DEFAULT_SETTLE."""
    if given is not None:
        return given
    said = limits.get("settle_seconds")
    if said is not None:
        return float(said)
    return 0.0 if compares else max(DEFAULT_SETTLE, 2 * deadline)


def key_kept_of(given: float | None, limits: Mapping[str, Any]) -> float | None:
    """Seconds for which the vendor keeps our keys: what the manifest says, else its profile; None where neither says
    it."""
    if given is not None:
        return given
    for name, unit in (("key_kept_seconds", 1.0), ("key_kept_hours", 3_600.0), ("key_kept_days", 86_400.0)):
        if limits.get(name) is not None:
            return float(limits[name]) * unit
    return None


def key_known_for(key_kept: float, deadline: float) -> float:
    """Seconds after the first send within which the vendor can be asked about a message by its key: a little less than
    the vendor keeps it, for the call itself takes time."""
    return key_kept - min(MOST_MARGIN, key_kept / 10) - deadline


def key_protects_for(key_kept: float, deadline: float, settle: float) -> float:
    """Seconds after the first send within which the same key may be sent again: the vendor still has to know it when it
    acts, and that may be as late as `settle` says."""
    return key_known_for(key_kept, deadline) - settle
