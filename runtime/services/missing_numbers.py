"""Numbers of tills that are missing on given days, over all flows: what a database that went back has lost shows
there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from kernel.errors import NotFound
from kernel.viewer import Viewer
from runtime import permissions
from runtime.domain.reconciliation import Gap
from runtime.models import Deployment
from runtime.services.daily_accounts import missing_between
from runtime.services.day_messages import flow_of


@dataclass(frozen=True, slots=True)
class MissingNumbers:
    """Gaps of one flow. `complete` False: it had more messages than were read."""

    integration: str
    title: str
    environment: str
    gaps: Sequence[Gap]
    complete: bool

    @property
    def count(self) -> int:
        return sum(gap.count for gap in self.gaps)


def around(viewer: Viewer, days: Sequence[date]) -> list[MissingNumbers]:
    """Of messages that arrived on these days, in each flow of facts that the viewer may see. A number that comes later
    closes its gap; what a till rang last is known only when its next number comes."""
    made = []
    seen = permissions.visible(viewer)
    running = Deployment.objects.filter(active=True, integration__in=seen, integration__streams__immutable=True)
    for one in running.select_related("integration").distinct().order_by("integration__title", "environment"):
        try:
            flow = flow_of(one.integration, one.environment)
        except NotFound:
            continue
        if not flow.stream.immutable:
            continue
        found, complete = missing_between(flow, min(days), max(days))
        made.append(MissingNumbers(one.integration.key, one.integration.title, one.environment, found, complete))
    return made
