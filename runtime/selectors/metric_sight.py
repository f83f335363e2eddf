"""Which integrations and vendors a viewer may see in metrics: the same as on the pages."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.selectors import systems
from kernel.viewer import Viewer
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows

_SEEN = (
    """
select i.key as integration, array_agg(distinct v.system_key) filter (where v.id is not null) as systems
  from runtime_integration i
  left join runtime_stream st on st.integration_id = i.id
  left join runtime_subscription s on s.stream_id = st.id
  left join runtime_vendorstate v on v.id = s.vendor_id
 where """
    + SEEN
    + """
 group by i.key"""
)


@dataclass(frozen=True, slots=True)
class MetricSight:
    """None: everything."""

    integrations: frozenset[str] | None = None
    systems: frozenset[str] | None = None

    def allows(self, labels: dict[str, str]) -> bool:
        """Whether a sample with these labels may be shown. One that names neither is about the installation."""
        for names, label in ((self.integrations, "integration"), (self.systems, "system")):
            if names is not None and label in labels and labels[label] not in names:
                return False
        return True


def of(viewer: Viewer) -> MetricSight:
    if viewer.sees_everything:
        return MetricSight()
    found = rows(_SEEN, sight(viewer))
    called = {system for row in found for system in row["systems"] or ()}
    owned = {system.key for system in systems.all_systems() if system.owner_team_id in viewer.team_ids}
    return MetricSight(frozenset(row["integration"] for row in found), frozenset(called | owned))
