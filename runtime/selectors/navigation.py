"""What the runtime adds to the navigation of every page."""

from __future__ import annotations

from datetime import timedelta

from kernel import clock
from kernel.viewer import Viewer
from runtime.models import Worker
from runtime.selectors import dead_letters
from runtime.selectors.infrastructure import SILENT


def counts(viewer: Viewer) -> dict[str, int | None]:
    return {"dead-letters": dead_letters.count_all(viewer)}


def lines(viewer: Viewer) -> list[str]:
    """Whether anything works at all: said at the foot of the navigation."""
    now = clock.now()
    beats = list(Worker.objects.filter(beat_at__gt=now - timedelta(days=1)).values_list("beat_at", flat=True))
    if not beats:
        return ["No worker has reported"]
    alive = sum(1 for beat in beats if now - beat <= SILENT)
    return [f"{alive} of {len(beats)} workers alive"]
