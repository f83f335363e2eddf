"""How far each target is: what waits, since when, what was confirmed last, what is quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.selectors.sql_rows import rows


@dataclass(slots=True)
class Backlog:
    """Counts of messages. `oldest_at`: arrival of the oldest one that is neither delivered nor quarantined, or None."""

    waiting: int = 0
    oldest_at: datetime | None = None
    last_delivery_at: datetime | None = None
    leases: int = 0
    dead: int = 0
    unknown: int = 0
    retrying: int = 0
    behind: int = 0
    person_since: datetime | None = None

    @property
    def for_person(self) -> int:
        return self.dead + self.unknown

    def add(self, other: Backlog) -> None:
        """Sum of two: a fleet is the sum of its instances."""
        for name in ("waiting", "leases", "dead", "unknown", "retrying", "behind"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.oldest_at = _first(self.oldest_at, other.oldest_at)
        self.person_since = _first(self.person_since, other.person_since)
        self.last_delivery_at = max(filter(None, (self.last_delivery_at, other.last_delivery_at)), default=None)


def _first(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


# The oldest waiting message of a lane is the one right after its position: one probe of the log per distinct place.
_PROGRESS = """
with places as materialized (
       select s.id, s.stream_id, p.lane, p.position, least(l.next - 1, coalesce(p.upto, l.next - 1)) as last,
              p.owner is not null and p.lease_until > clock_timestamp() as leased
         from runtime_subscription s
         join runtime_progress p on p.subscription_id = s.id
         join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
        where s.id = any(%(ids)s)),
     oldest as (
       select w.*, m.received_at
         from (select distinct stream_id, lane, position from places where position < last) w
        cross join lateral (select received_at
                              from runtime_message m
                             where m.stream_id = w.stream_id
                               and m.lane = w.lane
                               and m.position > w.position
                             order by m.position
                             limit 1) m)
select p.id, sum(greatest(p.last - p.position, 0))::bigint as waiting, min(o.received_at) as oldest_at,
       count(*) filter (where p.leased) as leases, max(d.at) as last_delivery_at
  from places p
  left join oldest o using (stream_id, lane, position)
  left join lateral (select at
                       from runtime_delivery d
                      where d.subscription_id = p.id
                        and d.lane = p.lane
                      order by d.last desc
                      limit 1) d on true
 group by p.id"""

_QUARANTINED = """
select subscription_id, count(*) filter (where state = 'dead') as dead,
       count(*) filter (where state = 'unknown') as unknown,
       count(*) filter (where state in ('retry', 'sending')) as retrying,
       count(*) filter (where state = 'behind') as behind,
       min(first_seen_at) filter (where state in ('dead', 'unknown')) as since
  from runtime_quarantine
 where subscription_id = any(%(ids)s)
 group by subscription_id"""


def of(subscription_ids: Sequence[int]) -> dict[int, Backlog]:
    """Backlog by subscription id, in two queries. A subscription without lanes has an empty one."""
    found = {number: Backlog() for number in subscription_ids}
    if not found:
        return found
    for row in rows(_PROGRESS, {"ids": list(found)}):
        mine = found[row["id"]]
        mine.waiting, mine.oldest_at, mine.leases = row["waiting"], row["oldest_at"], row["leases"]
        mine.last_delivery_at = row["last_delivery_at"]
    for row in rows(_QUARANTINED, {"ids": list(found)}):
        mine = found[row["subscription_id"]]
        mine.dead, mine.unknown = row["dead"], row["unknown"]
        mine.retrying, mine.behind = row["retrying"], row["behind"]
        mine.person_since = row["since"]
    return found
