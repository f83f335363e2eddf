"""Work that is ready and permitted and that no worker takes: none runs, or one hangs, or the database's clock says that
it is not due. The scheduler watches it by a clock of its own, for the database's may be what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SECONDS = 60.0
PAUSE_SECONDS = 3600  # no vendor may ask for a longer one, so a lane that waits longer waits by a wrong clock

# Positions and tokens move by workers alone. A lane whose vendor is not to be called is not ready (runtime_gate).
_READY = """
select p.subscription_id,
       count(*) filter (where r.ready),
       sum(p.position)::bigint,
       sum(p.token)::bigint
  from runtime_progress p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
  join runtime_gate g on g.subscription_id = p.subscription_id
  left join runtime_progress a on a.subscription_id = s.after_subscription and a.lane = p.lane
 cross join lateral (
        select p.position < least(l.next - 1, p.upto, a.position)
               and not p.not_before between clock_timestamp() and clock_timestamp() + make_interval(secs => %s)
               as ready) r
 where not s.held_until between clock_timestamp() and clock_timestamp() + make_interval(secs => %s)
 group by p.subscription_id
having bool_or(r.ready)"""

Place = tuple[int, int]


@dataclass(slots=True)
class SilentWork:
    """`look` is asked every few seconds; a target counts once its lanes have stood still, ready, for `SECONDS`."""

    monotonic: Callable[[], float] = time.monotonic
    seen: dict[int, tuple[Place, float]] = field(default_factory=dict)

    def look(self, cursor: Any) -> tuple[int, float]:
        """How many lanes nobody takes, and for how many seconds the first of them has waited."""
        cursor.execute(_READY, [PAUSE_SECONDS] * 2)
        now, before = self.monotonic(), self.seen
        self.seen = {}
        lanes, longest = 0, 0.0
        for subscription, ready, positions, tokens in cursor.fetchall():
            known = before.get(subscription)
            if known is None or known[0] != (positions, tokens):
                known = (positions, tokens), now
            self.seen[subscription] = known
            if now - known[1] >= SECONDS:
                lanes, longest = lanes + ready, max(longest, now - known[1])
        return lanes, longest
