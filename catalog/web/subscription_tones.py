"""The states of a subscription as people read them."""

from __future__ import annotations

from typing import Final

from kernel.ui import tones
from kernel.ui.tones import Tone

SUBSCRIPTIONS: Final[dict[str, Tone]] = {
    "active": tones.ok("Subscribed"),
    "requested": tones.wait("Asked for"),
    "expired": tones.stop("Expired"),
    "ended": tones.quiet("Ended"),
    "unsubscribed": tones.stop("No subscription", "alert"),
}
