"""What a source, or a flow, left on a day beyond the rejected messages and conflicts that are kept with their content:
it was counted, and its senders have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kernel.viewer import Viewer
from runtime.domain.kept_cases import KEPT_A_DAY
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import rows

SHOWN = 20
DAYS = 14
_UNKEPT = (
    """
select u.kind, i.key as integration, i.title, u.source, u.day, u.counted, u.last_at
  from runtime_unkept u
  join runtime_stream st on st.id = u.stream_id
  join runtime_integration i on i.id = st.integration_id
 where st.environment = %(environment)s
   and u.day > current_date - %(days)s::int
   and (%(integration)s = '' or i.key = %(integration)s)
   and """
    + SEEN
    + """
 order by u.day desc, u.counted desc, u.id
 limit %(most)s"""
)


@dataclass(frozen=True, slots=True)
class Unkept:
    """One day of one source (`rejected`; empty for what was handed in) or flow (`conflict`)."""

    kind: str
    integration: str
    title: str
    source: str
    day: date
    counted: int
    last_at: datetime
    kept: int = KEPT_A_DAY


def of_late(viewer: Viewer, environment: str, *, integration: str = "") -> list[Unkept]:
    """The newest first; of the last two weeks."""
    chosen = {"environment": environment, "integration": integration, "days": DAYS, "most": SHOWN}
    return [Unkept(**row) for row in rows(_UNKEPT, sight(viewer) | chosen)]
