"""When integrations read their sources, when next, and the outcome of the last time."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, wait
from kernel.viewer import Viewer
from runtime.models import Integration
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    id: int
    integration: str
    title: str
    owner_team_id: int
    team: str
    environment: str
    expression: str
    zone: str
    skipped: str
    repeated: str
    enabled: bool
    next_due_at: datetime | None
    fired_at: datetime | None
    outcome: str
    run: int | None

    @property
    def tone(self) -> Tone:
        if not self.enabled:
            return quiet("Switched off", "pause")
        if self.next_due_at is not None and (clock.now() - self.next_due_at).total_seconds() > 60:
            return wait("Overdue", "alert")
        return ok("On")


_SCHEDULES = (
    """
select c.id, i.key as integration, i.title, i.owner_team_id, g.name as team, c.environment,
       c.expression, c.zone, c.skipped, c.repeated, c.enabled, c.next_due_at,
       f.fired_at, coalesce(f.outcome, '') as outcome, f.run_id as run
  from runtime_schedule c
  join runtime_integration i on i.id = c.integration_id
  join auth_group g on g.id = i.owner_team_id
  left join lateral (select *
                       from runtime_firing f
                      where f.schedule_id = c.id
                      order by f.due_at desc
                      limit 1) f on true
 where (%(environment)s = '' or c.environment = %(environment)s)
   and (%(integration)s = '' or i.key = %(integration)s)
   and (%(id)s::bigint is null or c.id = %(id)s)
   and """
    + SEEN
    + """
 order by c.enabled desc, c.next_due_at nulls last, i.key"""
)


def listed(
    viewer: Viewer, *, environment: str = "", integration: str = "", schedule_id: int | None = None
) -> list[ScheduleRow]:
    """One query, those due next first."""
    chosen: dict[str, Any] = {"environment": environment, "integration": integration, "id": schedule_id}
    return [ScheduleRow(**one) for one in rows(_SCHEDULES, sight(viewer) | chosen)]


def unscheduled(viewer: Viewer, operable: Any, environment: str) -> list[Integration]:
    """Integrations of `operable` (a queryset) that have no schedule in this environment yet."""
    return list(operable.exclude(schedules__environment=environment).order_by("key"))
