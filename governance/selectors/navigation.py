"""What the navigation shows of this room."""

from __future__ import annotations

from datetime import timedelta

from governance.domain.freeze import FreezeScope
from governance.models import FreezeWindow
from governance.selectors import changes, freezes
from kernel import clock
from kernel.viewer import Viewer


def counts(viewer: Viewer) -> dict[str, int | None]:
    return {"inbox": changes.count_waiting(viewer, clock.now()), "changes": changes.count_open(viewer)}


def lines(viewer: Viewer) -> list[str]:
    """The freeze that is open in production, or the next one within a fortnight."""
    now = clock.now()
    everything = FreezeScope("production", None, None)
    for occurrence in freezes.active(everything, now):
        if occurrence.strictness != FreezeWindow.Strictness.NOTICE:
            return [f"{occurrence.name} until {occurrence.ends:%a %d %b, %H:%M} UTC."]
    coming = freezes.first_within("production", now, now + timedelta(days=14), begun=False)
    return [f"{coming.name} starts {coming.starts:%a %d %b, %H:%M} UTC."] if coming else []
