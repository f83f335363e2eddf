"""Recovery after the database went back: which rewinds there were, what is still to be asked about, what is missing."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from kernel.ui.tones import Tone, ok, wait
from kernel.viewer import Viewer
from runtime.domain.recovery import CANNOT_BE_ASKED
from runtime.models import DatabaseIdentity, QuarantinedMessage, Rewind
from runtime.permissions import SEEN, sight
from runtime.selectors.sql_rows import row, rows

_LANES_LEFT = """
select count(*) as lanes
  from runtime_progress p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
 where s.open
   and p.ask_until is not null
   and p.position < least(p.ask_until, p.upto, l.next - 1)"""
_FLOWS = (
    """
select i.key as integration, i.title, st.environment,
       count(*) filter (where p.position < least(p.ask_until, p.upto, l.next - 1)) as lanes,
       coalesce(sum(greatest(least(p.ask_until, p.upto, l.next - 1) - p.position, 0)), 0)::bigint as messages,
       (select count(*)
          from runtime_quarantine q
          join runtime_subscription qs on qs.id = q.subscription_id
         where qs.stream_id = st.id and q.reason_class = %(cannot)s and q.state = 'unknown') as with_people
  from runtime_progress p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
  join runtime_integration i on i.id = st.integration_id
 where s.open
   and p.ask_until is not null
   and """
    + SEEN
    + """
 group by st.id, i.key, i.title, st.environment
 order by i.title, st.environment"""
)


@dataclass(frozen=True, slots=True)
class RecoveringFlow:
    """`messages` are still to be asked about, in so many lanes; `with_people` could not be."""

    integration: str
    title: str
    environment: str
    lanes: int
    messages: int
    with_people: int

    @property
    def tone(self) -> Tone:
        if self.with_people:
            return wait(f"{self.with_people:,} with a person", "user")
        return wait(f"{self.messages:,} to ask about") if self.messages else ok("Nothing left to ask about")


@dataclass(slots=True)
class Recovery:
    """All rewinds, the newest first, and what is left of the last one."""

    rewinds: list[Rewind]
    flows: list[RecoveringFlow] = field(default_factory=list)

    @property
    def present(self) -> Rewind | None:
        """The newest one whose recovery has not ended."""
        return next((one for one in self.rewinds if one.ended_at is None), None)

    @property
    def window_until(self) -> datetime | None:
        """Until when new messages are asked about, too; None where that has ended."""
        return max((one.window_until for one in self.rewinds if one.window_ended_at is None), default=None)

    @property
    def messages(self) -> int:
        return sum(flow.messages for flow in self.flows)

    @property
    def tone(self) -> Tone:
        return wait("Recovery mode") if self.present else ok("No recovery")


def state(viewer: Viewer) -> Recovery:
    """What the viewer may see of it: rewinds concern everybody, flows those who may see them."""
    made = Recovery(list(Rewind.objects.order_by("-id")[:50]))
    if made.present is not None:
        chosen = sight(viewer) | {"cannot": CANNOT_BE_ASKED}
        made.flows = [RecoveringFlow(**one) for one in rows(_FLOWS, chosen)]
    return made


def newest_rewind() -> Rewind | None:
    return Rewind.objects.order_by("-id").first()


def notices_failover() -> bool:
    """Whether the server tells cluster and timeline; also true as long as nothing was compared."""
    held = DatabaseIdentity.objects.first()
    return held is None or (held.cluster is not None and held.timeline is not None)


def lanes_left() -> int:
    """Lanes that have not yet passed what is to be asked about."""
    found = row(_LANES_LEFT)
    return int(found["lanes"]) if found else 0


def with_people() -> int:
    """Messages that could not be asked about and wait for a decision."""
    return QuarantinedMessage.objects.filter(reason_class=CANNOT_BE_ASKED, state="unknown").count()
