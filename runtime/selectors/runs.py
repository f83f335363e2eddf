"""Runs: how much was read, what happened to it at each target, how fast, and when it will be done.

The source side is counted on the run's own row. The delivered side is worked out from positions: a run holds spans of
the log, a target has passed everything up to its position, and what it could not pass with its batch is a row of its
own.
"""

# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from runtime.permissions import SEEN, sight
from runtime.selectors.message_counts import COUNTS, MessageCounts
from runtime.selectors.sql_rows import row, rows


@dataclass(slots=True)
class TargetShare(MessageCounts):
    """What happened to a run's messages at one target (or one instance of it)."""

    subscription_id: int = 0
    target: str = ""
    instance: str = ""
    system_key: str = ""

    @property
    def refused(self) -> int:
        """Dead letters: refused by the target or by the mapping, or tried too often."""
        return self.dead

    @property
    def tone(self) -> Tone:
        if self.with_a_person:
            return wait(f"{self.with_a_person:,} wait", "user")
        if self.total == self.passed and not self.retrying:
            return ok("Done")
        return Tone("accent", "Running", "pulse") if not self.retrying else wait("Retrying")


@dataclass(slots=True)
class RunProgress:
    """A run as its page shows it. `rate`: messages per second over the last minutes, None when none was delivered."""

    id: int
    integration: str
    title: str
    owner_team_id: int
    environment: str
    kind: str
    source: str
    trigger: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    beat_at: datetime
    expected: int | None
    read: int
    accepted: int
    unchanged: int
    older: int
    rejected: int
    rejected_again: int
    conflicts: int
    conflicts_again: int
    error: str
    started_by: str
    digest: str
    approval_id: int | None
    change_id: int | None
    valid_until: datetime | None
    cursor: str
    stream: int
    fences: int = 0
    warnings: list[str] = field(default_factory=list)
    warned: int = 0
    limit_waived: bool = False
    dropped_until: date | None = None
    waits_until: datetime | None = None
    wait_reason: str = ""
    shares: list[TargetShare] = field(default_factory=list)
    minutes: list[tuple[str, float]] = field(default_factory=list)
    rate: float | None = None

    def _sum(self, name: str) -> int:
        return sum(getattr(share, name) for share in self.shares)

    @property
    def total(self) -> int:
        return self._sum("total")

    @property
    def passed(self) -> int:
        return self._sum("passed")

    @property
    def delivered(self) -> int:
        return self._sum("delivered")

    @property
    def superseded(self) -> int:
        return self._sum("superseded")

    @property
    def skipped(self) -> int:
        """Skipped by the condition of a target."""
        return self._sum("skipped")

    @property
    def declined(self) -> int:
        """Ended by an answer of the target's business."""
        return self._sum("declined")

    @property
    def closed(self) -> int:
        """Discarded by a person."""
        return self._sum("closed")

    @property
    def refused(self) -> int:
        return self._sum("dead")

    @property
    def unknown(self) -> int:
        return self._sum("unknown")

    @property
    def retrying(self) -> int:
        """To be tried again, being sent or asked about, or behind such a message."""
        return self._sum("retrying") + self._sum("behind") - self.blocked

    @property
    def blocked(self) -> int:
        """Behind a message of their key that waits for a person."""
        return self._sum("blocked")

    @property
    def settled(self) -> int:
        return self._sum("settled")

    @property
    def reading(self) -> bool:
        return self.state == "running"

    @property
    def live(self) -> bool:
        """Whether something still changes automatically: the source is being read, or a target is not done."""
        return self.reading or self.settled < self.total

    @property
    def percent(self) -> int | None:
        """How far it is; None while the source is being read and its size is unknown."""
        if self.reading and self.expected is None:
            return None
        everything = self.total
        if self.reading and self.expected:
            read_share = min(self.read / self.expected, 1.0)
            return int(100 * read_share * (self.settled / everything if everything else 1))
        return int(100 * self.settled / everything) if everything else 100

    @property
    def remaining(self) -> timedelta | None:
        """At the current rate; None without a rate."""
        left = self.total - self.passed
        if self.reading or not self.rate or left <= 0:
            return None
        return timedelta(seconds=left / self.rate)

    @property
    def done_about(self) -> datetime | None:
        return clock.now() + self.remaining if self.remaining else None

    @property
    def tone(self) -> Tone:
        return state_tone(
            self.state, live=self.live, refused=self.refused + self.unknown + self.rejected, moving=bool(self.rate)
        )


def state_tone(state: str, *, live: bool, refused: int, moving: bool = True) -> Tone:
    if state == "failed":
        return stop("Failed")
    if state == "cancelled":
        return quiet("Cancelled")
    if state == "running":
        return Tone("accent", "Running", "pulse")
    if live:
        return Tone("accent", "Delivering", "pulse") if moving else wait("Waiting to deliver")
    return wait("Done, some wait", "user") if refused else ok("Done")


_RUN = (
    """
select n.id, i.key as integration, i.title, i.owner_team_id, st.environment, n.kind, n.source, n.trigger, n.state,
       n.started_at, n.ended_at, n.beat_at, n.expected, n.read, n.accepted, n.unchanged, n.older,
       n.rejected_count as rejected, n.rejected_again, n.conflicts, n.conflicts_again, n.error,
       coalesce(u.username, '') as started_by,
       coalesce(r.digest, '') as digest, d.approval_id,
       a.change_id, a.valid_until, coalesce(left(src.cursor::text, 200), '') as cursor, st.id as stream,
       n.fences, n.warned, n.limit_waived,
       (select max(g.day)
          from runtime_dropped g
         where g.data_class in ('evidence', 'messages')
           and g.stream_id = st.id
           and g.day >= (n.started_at at time zone 'utc')::date) as dropped_until,
       array(select jsonb_array_elements_text(coalesce(n.warnings, '[]'::jsonb))) as warnings,
       case when n.state = 'running' and src.not_before > clock_timestamp() then src.not_before end as waits_until,
       coalesce(src.wait_reason, '') as wait_reason
  from runtime_run n
  join runtime_integration i on i.id = n.integration_id
  join runtime_stream st on st.id = n.stream_id
  left join runtime_source src on src.stream_id = n.stream_id and src.name = n.source
  left join runtime_deployment d on d.id = n.deployment_id
  left join runtime_release r on r.id = d.release_id
  left join governance_approval a on a.id = d.approval_id
  left join kernel_user u on u.id = n.started_by_id
 where n.id = %(id)s
   and """
    + SEEN
)

# Appends of one run follow each other in a lane, so their spans join into few islands.
_SPANS = """
select lane, min(first) as first, max(last) as last
  from (select lane, first, last,
               sum(case when first = before + 1 then 0 else 1 end) over (partition by lane order by first) as island
          from (select lane, first, last, lag(last) over (partition by lane order by first) as before
                  from runtime_runspan
                 where run_id = %(run)s) s) t
 group by lane, island
 order by lane, first"""

_SHARES = f"""
with spans as (
       select %(stream)s::bigint as stream_id, x.*
         from unnest(%(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) as x(lane, first, last)),
     subs as (
       select s.id, s.stream_id, s.target, s.instance, v.system_key
         from runtime_subscription s
         join runtime_vendorstate v on v.id = s.vendor_id
        where s.stream_id = %(stream)s
          and s.replay_of_id is null),
{COUNTS}
select s.id as subscription_id, s.target, s.instance, s.system_key, c.total, c.passed, c.superseded, c.skipped,
       c.declined, c.dead, c.unknown, c.retrying, c.behind, c.blocked, c.closed
  from subs s
  join counts c using (id)
 order by s.target, s.instance"""

_MINUTES = """
with spans as (
       select *
         from unnest(%(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) as x(lane, first, last))
select date_trunc('minute', d.at) as minute,
       sum(d.last - greatest(d.first, x.first) + 1)::bigint as passed
  from runtime_subscription s
  join spans x on true
 cross join lateral (select d.at, d.first, d.last
                       from runtime_delivery d
                      where d.subscription_id = s.id
                        and d.lane = x.lane
                        and d.last between x.first and x.last
                     offset 0) d
 where s.stream_id = %(stream)s
   and d.at >= %(since)s
 group by 1
 order by 1"""


def progress(viewer: Viewer, run_id: int) -> RunProgress | None:
    """The run with its shares, in four queries; None when there is none or the viewer may not see it."""
    found = row(_RUN, sight(viewer) | {"id": run_id})
    if found is None:
        return None
    made = RunProgress(**found)
    spans = rows(_SPANS, {"run": run_id})
    chosen: dict[str, Any] = {
        "stream": made.stream,
        "lanes": [s["lane"] for s in spans],
        "firsts": [s["first"] for s in spans],
        "lasts": [s["last"] for s in spans],
    }
    made.shares = [TargetShare(**one) for one in rows(_SHARES, chosen)]
    now = clock.now()
    end = now if made.live else (made.ended_at or now)
    since = max(made.started_at, end - timedelta(minutes=10))
    _rate(made, rows(_MINUTES, chosen | {"since": since}), since, now)
    return made


def _rate(made: RunProgress, minutes: Sequence[dict[str, Any]], since: datetime, now: datetime) -> None:
    """Messages per second by minute, and over the whole window for the estimate."""
    if not minutes:
        return
    by_minute = {one["minute"]: one["passed"] for one in minutes}
    first, last = min(by_minute), max(by_minute)
    count = int((last - first).total_seconds() // 60) + 1
    for index in range(count):
        minute = first + timedelta(minutes=index)
        made.minutes.append((f"{minute:%H:%M}", by_minute.get(minute, 0) / 60))
    seconds = max(((now if made.live else last + timedelta(minutes=1)) - max(since, first)).total_seconds(), 1.0)
    made.rate = sum(by_minute.values()) / seconds


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list. Counts of the source side only, so that a list stays one query."""

    id: int
    integration: str
    title: str
    environment: str
    kind: str
    source: str
    trigger: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    read: int
    accepted: int
    unchanged: int
    rejected: int
    error: str

    @property
    def tone(self) -> Tone:
        return state_tone(self.state, live=False, refused=self.rejected)

    @property
    def how(self) -> str:
        how = self.kind if self.kind == self.trigger else f"{self.kind}, {self.trigger}"
        return f"{self.source}: {how}" if self.source else how

    @property
    def took(self) -> timedelta | None:
        return self.ended_at - self.started_at if self.ended_at else None


# The newest runs of each stream that may be seen, and of these the newest: not all runs are looked through for the few
# of a flow, of an environment, or of who sees little. `* -1`: the planner takes order and start from the index of the
# runs of a stream, not from that of all runs, and goes neither through newer runs nor through those of other streams.
_LIST = (
    """
with seen as materialized (
    select st.id, st.environment, i.key as integration, i.title
    from runtime_stream st
    join runtime_integration i on i.id = st.integration_id
    where (%(integration)s = '' or i.key = %(integration)s)
        and (%(environment)s = '' or st.environment = %(environment)s)
        and """
    + SEEN
    + """
)
select
    n.id,
    s.integration,
    s.title,
    s.environment,
    n.kind,
    n.source,
    n.trigger,
    n.state,
    n.started_at,
    n.ended_at,
    n.read,
    n.accepted,
    n.unchanged,
    n.rejected_count as rejected,
    n.error
from seen s
cross join lateral (
    select *
    from runtime_run u
    where u.stream_id = s.id
        and u.id * -1 > coalesce(%(before)s::bigint * -1, -9223372036854775807)
    order by u.id * -1
    limit %(limit)s
) n
order by n.id desc
limit %(limit)s"""
)


def latest(
    viewer: Viewer, *, integration: str = "", environment: str = "", before: int | None = None, limit: int = 20
) -> list[RunRow]:
    """Newest first, in one query."""
    chosen = {"integration": integration, "environment": environment, "before": before, "limit": limit}
    return [RunRow(**one) for one in rows(_LIST, sight(viewer) | chosen)]
