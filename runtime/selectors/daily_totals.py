"""A day in the log, the evidence and the comparisons: totals of every flow, messages of one flow, open messages."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from catalog.selectors import systems
from kernel import clock
from kernel.errors import Invalid
from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.viewer import Viewer
from runtime.domain.outcome_codes import CONFIRMED, DECLINED, SKIPPED
from runtime.permissions import SEEN, sight
from runtime.selectors.day_sums import LATE_DAYS
from runtime.selectors.message_counts import COUNTS, MessageCounts, batches_over
from runtime.selectors.sql_rows import rows


def today() -> date:
    """In the display zone."""
    return timezone.localtime(clock.now()).date()


def chosen_day(text: str) -> date:
    """A day in ISO form, today without one.

    Raises Invalid `reconciliation.day` for anything else, and for days before 2000.
    """
    if not text:
        return today()
    try:
        made = date.fromisoformat(text)
    except ValueError:
        made = date.min
    if not 2000 <= made.year <= 2999:
        raise Invalid("reconciliation.day", "Name the day as year-month-day, for example 2026-11-23.")
    return made


def bounds(day: date) -> tuple[datetime, datetime]:
    """The day in the display zone, from midnight to midnight, daylight saving included."""
    zone = timezone.get_current_timezone()
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


@dataclass(slots=True)
class TargetLine(MessageCounts):
    """One target (all stores of a fleet together) on a day of arrival. Counts are messages times instances."""

    target: str = ""
    system: str = ""
    instances: int = 0

    @property
    def came(self) -> int:
        return self.total

    @property
    def due(self) -> int:
        """Messages for the target, as far as is known: those that wait may still be skipped."""
        return self.came - self.skipped - self.superseded

    @property
    def open(self) -> int:
        return self.on_the_way + self.with_a_person

    @property
    def tone(self) -> Tone:
        if self.with_a_person:
            return wait(f"{self.with_a_person:,} with a person", "user")
        if self.open:
            return wait(f"{self.open:,} on the way")
        return ok("Balanced") if self.due else quiet("Nothing received")


@dataclass(slots=True)
class FlowLine:
    """One integration on a day of arrival: received from its source, stored in the log, delivered to each target.

    `read` and the counts beside it are None where no run collected: intake answers each message and keeps no count.
    `dropped` of the logged ones are gone by now (retention). `rejected` and `conflicts` are new on that day, handed-in
    ones included; of what runs read, `read_rejected` were rejected for the first time, `read_again` were known as
    rejected, `read_conflicts` conflict, `read_conflicts_again` were known as conflicting.
    """

    integration: str
    title: str
    team: str
    stream: int
    logged: int
    rejected: int
    conflicts: int
    read: int | None
    accepted: int | None
    unchanged: int | None
    older: int | None
    from_runs: int
    running: bool
    read_rejected: int | None = None
    read_again: int | None = None
    read_conflicts: int | None = None
    read_conflicts_again: int | None = None
    dropped: int = 0
    targets: list[TargetLine] = field(default_factory=list)

    @property
    def difference(self) -> int | None:
        """Records that runs have read and that are neither in the log nor accounted for otherwise (unchanged, older,
        rejected, conflicting); where those agree, what runs report as added minus what is in the log. None without a
        run, while one is reading, and of a day that retention has dropped."""
        if self.read is None or self.accepted is None or self.running or self.dropped:
            return None
        again = (self.read_again, self.read_conflicts_again)
        counts = (self.unchanged, self.older, self.read_rejected, self.read_conflicts, *again)
        otherwise = sum(count or 0 for count in counts)
        return self.read - otherwise - self.from_runs or self.accepted - self.from_runs

    @property
    def tone(self) -> Tone:
        if self.difference:
            return stop(f"{abs(self.difference):,} {'not accounted for' if self.difference > 0 else 'more in the log'}")
        if self.dropped:
            return quiet("No longer kept")
        if self.rejected or self.conflicts:
            return wait(f"{self.rejected + self.conflicts:,} not stored", "user")
        if self.running:
            return Tone("accent", "Still reading", "pulse")
        return ok("All in the log") if self.logged else quiet("Nothing received")


# What a day's runs have stored came until the last of them was over (and an hour, should a clock have been set back):
# nothing later is read, however old the day is.
_FLOWS = (
    """
select i.key as integration, i.title, g.name as team, st.id as stream,
       coalesce((select sum(d.number)::bigint
                   from runtime_daysum d
                  where d.stream_id = st.id
                    and d.day = %(day)s
                    and d.target = ''
                    and exists (select
                                  from runtime_dayspan p
                                 where p.stream_id = st.id and p.day = %(day)s and p.month = d.month)
                    and exists (select
                                  from runtime_daysumcursor c
                                 where c.stream_id = st.id and c.about = 'log' and c.zone = %(zone)s)), 0) as logged,
       coalesce((select g.number
                   from runtime_dropped g
                  where g.data_class = 'messages'
                    and g.stream_id = st.id
                    and g.subscription_id = 0
                    and g.day = %(day)s), 0) as dropped,
       (select count(*)
          from runtime_rejected r
         where r.stream_id = st.id
           and r.at >= %(since)s
           and r.at < %(until)s) as rejected,
       (select count(*)
          from runtime_conflict c
         where c.stream_id = st.id
           and c.at >= %(since)s
           and c.at < %(until)s) as conflicts,
       n.read, n.accepted, n.unchanged, n.older, n.read_rejected, n.read_again, n.read_conflicts,
       n.read_conflicts_again,
       coalesce(n.running, false) as running,
       n.logged
       + (select count(*)
            from runtime_lane l
            left join runtime_daysumcursor c on c.stream_id = st.id and c.lane = l.lane and c.about = 'runs'
            join runtime_message m
              on m.stream_id = st.id
             and m.lane = l.lane
             and m.position > coalesce(c.done, 0)
             and m.received_at >= %(since)s
             and m.received_at < n.over
             and m.run_id = any(n.ids)
           where l.stream_id = st.id) as from_runs
  from runtime_integration i
  join auth_group g on g.id = i.owner_team_id
  join runtime_stream st on st.integration_id = i.id and st.environment = %(environment)s
  left join lateral (select sum(read)::bigint as read, sum(accepted)::bigint as accepted,
                            sum(unchanged)::bigint as unchanged, sum(older)::bigint as older,
                            sum(rejected_count)::bigint as read_rejected,
                            sum(rejected_again)::bigint as read_again, sum(conflicts)::bigint as read_conflicts,
                            sum(conflicts_again)::bigint as read_conflicts_again,
                            bool_or(state = 'running') as running, array_agg(id) as ids,
                            coalesce(sum(logged), 0)::bigint as logged,
                            max(coalesce(ended_at, clock_timestamp())) + interval '1 hour' as over
                       from runtime_run
                      where stream_id = st.id
                        and kind = 'collect'
                        and started_at >= %(since)s
                        and started_at < %(until)s) n on true
 where """
    + SEEN
    + """
 order by i.title"""
)

# Messages of the day that are in no sums yet, by lane.
_BEHIND = """
select l.stream_id, l.lane, count(*) as number, min(m.position) as first, max(m.position) as last
  from runtime_lane l
  left join runtime_daysumcursor c
    on c.stream_id = l.stream_id and c.lane = l.lane and c.about = 'log' and c.zone = %(zone)s
  join runtime_message m
    on m.stream_id = l.stream_id
   and m.lane = l.lane
   and m.position > coalesce(c.done, 0)
   and m.received_at >= %(since)s
   and m.received_at < %(until)s
 where l.stream_id = any(%(streams)s)
 group by 1, 2"""
# A day of arrival is one span of positions per lane, because position order is commit order.
_TARGETS = f"""
with spans as (
       select stream_id, lane, min(first) as first, max(last) as last
         from (select p.stream_id, p.lane, p.first, p.last
                 from runtime_dayspan p
                where p.stream_id = any(%(streams)s)
                  and p.day = %(day)s
                  and exists (select
                                from runtime_daysumcursor c
                               where c.stream_id = p.stream_id and c.about = 'log' and c.zone = %(zone)s)
                union all
               select *
                 from unnest(%(behind)s::smallint[], %(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[])) x
        group by 1, 2),
     subs as (
       select s.id, s.stream_id, s.target, s.instance, v.system_key
         from runtime_subscription s
         join runtime_vendorstate v on v.id = s.vendor_id
        where s.stream_id = any(%(streams)s)
          and s.replay_of_id is null
          and s.open),
{COUNTS}
select s.stream_id as stream, s.target, min(s.system_key) as system, count(*) as instances,
       sum(c.total)::bigint as total, sum(c.passed)::bigint as passed, sum(c.superseded)::bigint as superseded,
       sum(c.skipped)::bigint as skipped, sum(c.declined)::bigint as declined, sum(c.retrying)::bigint as retrying,
       sum(c.behind)::bigint as behind, sum(c.blocked)::bigint as blocked, sum(c.dead)::bigint as dead,
       sum(c.unknown)::bigint as unknown,
       sum(c.closed)::bigint as closed
  from subs s
  join counts c using (id)
 group by s.stream_id, s.target
 order by s.target"""


def overview(viewer: Viewer, environment: str, day: date) -> list[FlowLine]:
    """Every flow that the viewer may see, by day of arrival: the sums of the day, and what is not in them yet."""
    since, until = bounds(day)
    chosen = {"environment": environment, "since": since, "until": until, "day": day, "zone": settings.TIME_ZONE}
    found = [FlowLine(**row) for row in rows(_FLOWS, sight(viewer) | chosen)]
    if not found:
        return []
    by_stream = {one.stream: one for one in found}
    behind = rows(_BEHIND, chosen | {"streams": list(by_stream)})
    for one in found:
        one.logged += one.dropped
    for row in behind:
        by_stream[row["stream_id"]].logged += row["number"]
    names = {s.key: s.name for s in systems.all_systems()}
    given = {
        "streams": list(by_stream),
        "behind": [row["stream_id"] for row in behind],
        "lanes": [row["lane"] for row in behind],
        "firsts": [row["first"] for row in behind],
        "lasts": [row["last"] for row in behind],
    }
    for row in rows(_TARGETS, chosen | given):
        flow = by_stream[row.pop("stream")]
        flow.targets.append(TargetLine(**(row | {"system": names.get(row["system"], row["system"])})))
    return found


def dropped(stream: int, day: date) -> int:
    """Messages of that day (UTC) that retention has dropped."""
    statement = """
select number
  from runtime_dropped
 where data_class = 'messages' and subscription_id = 0 and stream_id = %(stream)s and day = %(day)s"""
    return sum(row["number"] for row in rows(statement, {"stream": stream, "day": day}))


# -- one flow, message by message --------------------------------------------------------------------------------------
_MESSAGES = """
select m.lane, m.position, m.key, m.received_at, m.correlation, m.payload::text as payload from runtime_message m
 where m.stream_id = %(stream)s and m.received_at >= %(since)s and m.received_at < %(until)s
   and (not %(business)s or left(coalesce(m.payload ->> 'businessDate', m.payload ->> 'business_date'), 10) = %(day)s)
 order by m.lane, m.position limit %(limit)s"""
_SPANS = "unnest(%(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) as x(lane, first, last)"
_HELD = f"""
select q.subscription_id as subscription, q.lane, q.position,
       case when q.state = 'behind'
             and exists (select
                           from runtime_quarantine h
                          where h.subscription_id = q.subscription_id
                            and h.key = q.key
                            and h.position < q.position
                            and h.state in ('dead', 'unknown')) then 'blocked' else q.state end as state
  from {_SPANS}
  join runtime_quarantine q on q.lane = x.lane and q.position between x.first and x.last
 where q.subscription_id = any(%(ids)s)
 union all
select t.subscription_id, t.lane, t.last, case when t.outcome = 'given_up' then 'closed' else t.outcome end
  from {_SPANS}
  join runtime_attempt t on t.lane = x.lane and t.last between x.first and x.last
 where t.subscription_id = any(%(ids)s)
   and t.outcome in ('given_up', 'skipped', 'declined')"""
_SAID = "(d.outcomes is not null or d.superseded + d.skipped + d.declined = 0)"
_NOT_ALL = "d.skipped + d.declined > 0 and d.outcomes is not null"
_NAMED = f"""
select d.lane, d.first, d.last, d.outcomes
  from {_SPANS}
 cross join lateral {batches_over("%(id)s", _SAID, "d.lane, d.first, d.last, d.outcomes")}"""
_NOT_DELIVERED = f"""
select s.id as subscription, d.lane, d.first, d.outcomes
  from {_SPANS}
 cross join unnest(%(ids)s::bigint[]) as s(id)
 cross join lateral {batches_over("s.id", _NOT_ALL, "d.lane, d.first, d.outcomes")}"""
_FAR = (
    "select subscription_id as subscription, lane, position from runtime_progress where subscription_id = any(%(ids)s)"
)


def lanes(stream: int) -> list[int]:
    return [row["lane"] for row in rows("select lane from runtime_lane where stream_id = %(id)s", {"id": stream})]


def messages(stream: int, day: date, *, business: bool, limit: int) -> list[dict[str, Any]]:
    """Messages of a day: those that arrived on it, or those of that business day that arrived from the day before to
    a week later.
    """
    since, until = bounds(day)
    if business:
        since, until = since - timedelta(days=1), until + timedelta(days=LATE_DAYS)
    chosen = {
        "stream": stream,
        "since": since,
        "until": until,
        "business": business,
        "day": day.isoformat(),
        "limit": limit,
    }
    return rows(_MESSAGES, chosen)


Spans = dict[int, tuple[int, int]]
"""{lane: (first position, last position)}"""


def _span_arguments(spans: Spans) -> dict[str, Any]:
    return {
        "lanes": list(spans),
        "firsts": [first for first, _ in spans.values()],
        "lasts": [last for _, last in spans.values()],
    }


def standing(
    subscriptions: Sequence[int], spans: Spans
) -> tuple[dict[int, dict[int, int]], dict[int, dict[tuple[int, int], str]]]:
    """(position by lane, state by place) of every target: how far it is, and which messages of the spans left their
    batch."""
    far: dict[int, dict[int, int]] = {number: {} for number in subscriptions}
    held: dict[int, dict[tuple[int, int], str]] = {number: {} for number in subscriptions}
    ids = {"ids": list(subscriptions)}
    for row in rows(_FAR, ids):
        far[row["subscription"]][row["lane"]] = row["position"]
    for row in rows(_HELD, ids | _span_arguments(spans)):
        held[row["subscription"]][row["lane"], row["position"]] = row["state"]
    return far, held


def named_outcomes(subscription: int, spans: Spans) -> dict[tuple[int, int], str]:
    """{(lane, position): code} of the messages of the spans, by the evidence of their batches
    (`runtime.domain.outcome_codes`). Batches from before outcomes were kept by position are omitted."""
    found: dict[tuple[int, int], str] = {}
    for row in rows(_NAMED, {"id": subscription} | _span_arguments(spans)):
        lane, codes = row["lane"], row["outcomes"]
        first, last = spans[lane]
        for position in range(max(row["first"], first), min(row["last"], last) + 1):
            found[lane, position] = codes[position - row["first"]] if codes else CONFIRMED
    return found


def passed_over(subscriptions: Sequence[int], spans: Spans) -> dict[int, dict[tuple[int, int], str]]:
    """{subscription: {(lane, position): code}} of the messages of the spans that a target passed without an effect of
    its own: skipped or declined. Only batches that have such messages are read."""
    found: dict[int, dict[tuple[int, int], str]] = {number: {} for number in subscriptions}
    for row in rows(_NOT_DELIVERED, {"ids": list(subscriptions)} | _span_arguments(spans)):
        (first, last), mine = spans[row["lane"]], found[row["subscription"]]
        for number, code in enumerate(row["outcomes"]):
            if code in (SKIPPED, DECLINED) and first <= row["first"] + number <= last:
                mine[row["lane"], row["first"] + number] = code
    return found


def key_epochs(stream: int) -> dict[int, list[tuple[int, int]]]:
    """{lane: pairs of first position and salt} of the epochs of idempotency keys; usually empty."""
    statement = (
        "select lane, from_position, salt from runtime_key_epoch where stream_id = %(id)s order by lane, from_position"
    )
    found: dict[int, list[tuple[int, int]]] = {}
    for row in rows(statement, {"id": stream}):
        found.setdefault(row["lane"], []).append((row["from_position"], row["salt"]))
    return found


def under_way(subscription: int) -> dict[int, int]:
    """{lane: last position} of calls without an answer yet: whether they arrived is not known yet."""
    statement = "select lane, intent from runtime_progress where subscription_id = %(id)s and intent is not null"
    return {row["lane"]: row["intent"] for row in rows(statement, {"id": subscription})}


def heads(stream: int, keys: Sequence[str]) -> dict[str, int]:
    """{key: position of its last message, in the lane that it had then}."""
    statement = "select key, position from runtime_head where stream_id = %(stream)s and key = any(%(keys)s)"
    return {row["key"]: row["position"] for row in rows(statement, {"stream": stream, "keys": sorted(set(keys))})}


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """The answer of the target system to a query."""

    target: str
    instance: str
    by: str
    at: datetime
    due: int
    asked: int
    agreed: int
    missing: int
    extra: int
    twice: int
    differs: int
    silent: int
    unproven: int
    note: str
    cases: list[dict[str, Any]]
    asked_by: str

    @property
    def tone(self) -> Tone:
        if self.twice:
            return stop(f"{self.twice:,} there more than once")
        if self.differs:
            return stop(f"{self.differs:,} with another amount")
        if self.missing:
            return stop(f"{self.missing:,} missing there")
        if self.extra:
            return wait(f"{self.extra:,} there unexpectedly", "alert")
        if self.silent or self.asked < self.due:
            return wait(f"{self.due - self.asked + self.silent:,} unknown")
        if self.unproven:
            return wait(f"{self.unproven:,} there, state not proven")
        return ok("Both systems agree")


_COMPARISONS = """
select distinct on (s.target, s.instance)
       s.target, s.instance, c.by, c.at, c.due, c.asked, c.agreed, c.missing, c.extra, c.twice, c.differs,
       c.silent, c.unproven, c.note,
       c.cases::text as cases, coalesce(u.username, 'system') as asked_by
  from runtime_comparison c
  join runtime_subscription s on s.id = c.target_id
  left join kernel_user u on u.id = c.asked_by_id
 where s.stream_id = %(stream)s
   and c.day = %(day)s
   and c.by = %(by)s
 order by s.target, s.instance, c.id desc"""


def comparisons(stream: int, day: date, by: str) -> list[ComparisonRow]:
    """The latest comparison of each target of a stream. The caller has checked what the viewer may see."""
    found = rows(_COMPARISONS, {"stream": stream, "day": day, "by": by})
    return [ComparisonRow(**(row | {"cases": json.loads(row["cases"])})) for row in found]
