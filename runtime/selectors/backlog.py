"""How far each target is: what waits, since when, what was confirmed last, what is quarantined."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.selectors.sql_rows import rows


@dataclass(slots=True)
class Backlog:
    """Counts of messages. `oldest_at`: arrival of the oldest one that is neither delivered nor quarantined, or None.

    `lacks_since`: the moment as of which the target lacks a message that is on its way, quarantined ones that will be
    tried again included; `lacks_for_person`: the same of those that wait for a person or behind another one. A message
    was new to its source at some time after the look before the one that found it, so that look is the moment.
    """

    waiting: int = 0
    oldest_at: datetime | None = None
    last_delivery_at: datetime | None = None
    leases: int = 0
    dead: int = 0
    unknown: int = 0
    retrying: int = 0
    behind: int = 0
    blocked: int = 0
    person_since: datetime | None = None
    lacks_since: datetime | None = None
    lacks_for_person: datetime | None = None

    @property
    def for_person(self) -> int:
        return self.dead + self.unknown

    @property
    def on_the_way(self) -> int:
        """Everything that is not delivered and waits for no person: in the queue, to be tried again, being asked about,
        or behind such a message."""
        return self.waiting + self.retrying + self.behind - self.blocked

    def add(self, other: Backlog) -> None:
        """Sum of two: a fleet is the sum of its instances."""
        for name in ("waiting", "leases", "dead", "unknown", "retrying", "behind", "blocked"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.oldest_at = _first(self.oldest_at, other.oldest_at)
        self.person_since = _first(self.person_since, other.person_since)
        self.lacks_since = _first(self.lacks_since, other.lacks_since)
        self.lacks_for_person = _first(self.lacks_for_person, other.lacks_for_person)
        self.last_delivery_at = max(filter(None, (self.last_delivery_at, other.last_delivery_at)), default=None)


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


# As of when a target lacks message m: the look before the run that brought it, at the same source; its arrival where no
# look was before.
_LOOK_BEFORE = """
        left join runtime_run a on a.id = m.run_id and a.kind = 'collect'
        left join lateral (select least(b.started_at, m.received_at) as at
                             from runtime_run b
                            where a.id is not null
                              and b.stream_id = m.stream_id
                              and b.source in (a.source, '')
                              and b.kind = 'collect'
                              and b.state = 'succeeded'
                              and b.id < a.id
                            order by b.id desc
                            limit 1) b on true"""
# The oldest waiting message of a lane is the one right after its position: one probe of the log per distinct place.
_PROGRESS = (
    """
with places as materialized (
       select s.id, s.stream_id, p.lane, p.position, least(l.next - 1, coalesce(p.upto, l.next - 1)) as last,
              coalesce(l.next - c.first, 0) as after_change,
              p.owner is not null and p.lease_until > clock_timestamp() as leased
         from runtime_subscription s
         join runtime_progress p on p.subscription_id = s.id
         join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
         left join runtime_lanechange c on c.id = s.lane_change
        where s.id = any(%(ids)s)),
     oldest as (
       select w.*, m.received_at, coalesce(b.at, m.received_at) as lacks_since
         from (select distinct stream_id, lane, position from places where position < last) w
        cross join lateral (select stream_id, received_at, run_id
                              from runtime_message m
                             where m.stream_id = w.stream_id
                               and m.lane = w.lane
                               and m.position > w.position
                             order by m.position
                             limit 1) m"""
    + _LOOK_BEFORE
    + """)
select p.id, sum(greatest(p.last - p.position, 0) + p.after_change)::bigint as waiting, min(o.received_at) as oldest_at,
       min(o.lacks_since) as lacks_since, count(*) filter (where p.leased) as leases, max(d.at) as last_delivery_at
  from places p
  left join oldest o using (stream_id, lane, position)
  left join lateral (select at
                       from runtime_delivery d
                      where d.subscription_id = p.id
                        and d.lane = p.lane
                      order by d.last desc
                      limit 1) d on true
 group by p.id"""
)

# The oldest quarantined message of a lane and kind of waiting stands for the others: one probe of the log for each.
_QUARANTINED = (
    """
with q as materialized (
       select subscription_id, lane, count(*) filter (where state = 'dead') as dead,
              count(*) filter (where state = 'unknown') as unknown,
              count(*) filter (where state in ('retry', 'sending')) as retrying,
              count(*) filter (where state = 'behind') as behind,
              count(*) filter (where state = 'behind'
                                 and exists (select
                                               from runtime_quarantine h
                                              where h.subscription_id = b.subscription_id
                                                and h.key = b.key
                                                and h.position < b.position
                                                and h.state in ('dead', 'unknown'))) as blocked,
              min(first_seen_at) filter (where state in ('dead', 'unknown')) as since,
              min(position) filter (where state in ('retry', 'sending')) as first_retry,
              min(position) filter (where state in ('dead', 'unknown', 'behind')) as first_for_person
         from runtime_quarantine b
        where subscription_id = any(%(ids)s)
        group by subscription_id, lane),
     oldest as (
       select q.subscription_id, p.retried, coalesce(b.at, m.received_at) as at
         from q
         join runtime_subscription s on s.id = q.subscription_id
        cross join lateral (values (q.first_retry, true), (q.first_for_person, false)) p (position, retried)
        cross join lateral (select stream_id, received_at, run_id
                              from runtime_message m
                             where m.stream_id = s.stream_id
                               and m.lane = q.lane
                               and m.position = p.position
                             limit 1) m"""
    + _LOOK_BEFORE
    + """)
select subscription_id, sum(dead)::bigint as dead, sum(unknown)::bigint as unknown, sum(retrying)::bigint as retrying,
       sum(behind)::bigint as behind, sum(blocked)::bigint as blocked, min(since) as since,
       (select min(o.at) from oldest o where o.subscription_id = q.subscription_id and o.retried) as lacks_since,
       (select min(o.at) from oldest o where o.subscription_id = q.subscription_id and not o.retried) as for_person
  from q
 group by subscription_id"""
)


def of(subscription_ids: Sequence[int]) -> dict[int, Backlog]:
    """Backlog by subscription id, in two queries. A subscription without lanes has an empty one."""
    found = {number: Backlog() for number in subscription_ids}
    if not found:
        return found
    for row in rows(_PROGRESS, {"ids": list(found)}):
        mine = found[row["id"]]
        mine.waiting, mine.oldest_at, mine.leases = row["waiting"], row["oldest_at"], row["leases"]
        mine.last_delivery_at, mine.lacks_since = row["last_delivery_at"], row["lacks_since"]
    for row in rows(_QUARANTINED, {"ids": list(found)}):
        mine = found[row["subscription_id"]]
        mine.dead, mine.unknown = row["dead"], row["unknown"]
        mine.retrying, mine.behind, mine.blocked = row["retrying"], row["behind"], row["blocked"]
        mine.person_since, mine.lacks_for_person = row["since"], row["for_person"]
        mine.lacks_since = _first(mine.lacks_since, row["lacks_since"])
    return found
