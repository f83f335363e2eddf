"""A stream that gets more or fewer lanes: how far its targets are with what came before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kernel.ui.tones import Tone, quiet, wait
from kernel.ui.wording import counted
from runtime.selectors.sql_rows import row

LANES_BEFORE = """case
    when c.previous >= coalesce((select max(x.first) from runtime_lanechange x where x.stream_id = c.stream_id), 0)
        then array[c.lane]
    else array(select l.lane from runtime_lane l where l.stream_id = c.stream_id)
end"""
"""Where the message at `c.previous` of a key may stand, whose next one is `c`: in the same lane, unless the number of
lanes has changed between them."""
_STANDING = """
select t.lanes, t.wanted_lanes as wanted, t.lane_change, c.before, c.at, count(s.id) as targets,
       count(s.id) filter (where s.lane_change is null) as past,
       coalesce(sum((select sum(greatest(p.upto - p.position, 0))
                       from runtime_progress p
                      where p.subscription_id = s.id))
                filter (where s.lane_change is not null), 0)::bigint as waiting
  from runtime_stream t
  join runtime_integration i on i.id = t.integration_id
  left join runtime_lanechange c on c.id = t.lane_change
  left join runtime_subscription s on s.stream_id = t.id and s.open and s.replay_of_id is null
 where i.key = %(integration)s
   and t.environment = %(environment)s
   and (t.wanted_lanes is not null or t.lane_change is not null)
 group by t.id, c.id"""


@dataclass(frozen=True, slots=True)
class LaneChangeStanding:
    """`before` lanes, and `lanes` now, since `at`; `wanted`: what is not begun yet. Of `targets` so many are `past` the
    change; the others still take `waiting` messages from before it."""

    lanes: int
    wanted: int | None
    before: int | None
    at: datetime | None
    targets: int
    past: int
    waiting: int

    @property
    def tone(self) -> Tone:
        if self.before is None:
            return quiet(f"{counted(self.lanes, 'lane')}, {self.wanted} wanted: begins in a moment", "clock")
        return wait(f"{self.before} → {counted(self.lanes, 'lane')}: {self.past} of {self.targets} targets are past it")

    @property
    def said(self) -> str:
        if self.before is None:
            return "The deployed manifest has another number of lanes."
        said = (
            f"New messages go to {counted(self.lanes, 'lane')}. Each target takes them when it has everything from "
            f"before: {counted(self.waiting, 'message')} to go."
        )
        return said if self.wanted is None else f"{said} {self.wanted} lanes are wanted next."


def of(integration: str, environment: str) -> LaneChangeStanding | None:
    """None where no change is under way."""
    found = row(_STANDING, {"integration": integration, "environment": environment})
    if found is None:
        return None
    found.pop("lane_change")
    return LaneChangeStanding(**found)
