"""Why a redrive of what may have arrived is refused."""

from __future__ import annotations

import math

from kernel.errors import Conflict


def too_early(wait: float) -> Conflict:
    """A person's look proves what a question would: nothing before the vendor's own time limit has passed."""
    seconds = math.ceil(wait)
    return Conflict(
        "redrive.unsettled",
        f"Their target may still act on what was sent to it, for {seconds:,} s: look at it again then. Messages that "
        "were sent longer ago can be chosen alone.",
        {"seconds": seconds},
    )


def unproven(count: int) -> Conflict:
    return Conflict(
        "redrive.unproven",
        f"{count:,} of these may have arrived, and this target cannot be asked about them: sent again, they could be "
        "there twice. Look at the target; then say that they did not arrive (`not_arrived`, with the reason) to have "
        "them sent, that they did arrive, or discard them.",
        {"unproven": count},
    )


__all__ = ["too_early", "unproven"]
