"""Sums by day of arrival as they are kept, up to where they are kept, and the messages behind that."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings

from runtime.domain.day_sums import NEWEST, ByCurrency
from runtime.selectors.sql_rows import rows

LOG, RUNS, TO, FLEET = "log", "runs", "to:", "fleet:"  # what a cursor is about
LATE_DAYS = 8  # after its business day a message may still arrive: tills work offline for up to a week
_DAYS = "stream_id = %(stream)s and day between %(first_day)s and %(last_day)s"
# Of days whose messages retention has dropped, the spans go first.
_PRESENT = f"{_DAYS} and (day, month) in (select day, month from runtime_dayspan where {_DAYS})"
_OF_THE_DAY = """
   and m.received_at >= %(since)s
   and m.received_at < %(until)s
   and (not %(business)s
        or left(coalesce(m.payload ->> 'businessDate', m.payload ->> 'business_date'), 10) = %(day)s)"""
# Cursors and sums are read in one statement: they are of one moment.
_KEPT = f"""
with cursors as (
       select about, lane, done, at
         from runtime_daysumcursor
        where stream_id = %(stream)s
          and zone = %(zone)s)
select 'cursor' as kind, about as target, '' as code, '' as store, '' as currency, lane, done as number,
       0::numeric as amount, 0::bigint as unknown, 0::bigint as undated, at
  from cursors
 union all
select 'sum', target, code, store, currency, lane, sum(number)::bigint, sum(amount), sum(unknown)::bigint,
       coalesce(sum(number) filter (where business = ''), 0)::bigint, null
  from runtime_daysum
 where {_PRESENT}
   and (not %(business)s or business = %(day)s)
   and exists (select from cursors)
 group by target, code, store, currency, lane
having sum(number) <> 0"""
_NUMBERS = f"""
select n.store, n.till, n.business, lower(r) as first, upper(r) - 1 as last
  from (select store, till, business, range_agg(numbers) as numbers
          from runtime_tillnumbers
         where {_PRESENT}
           and {{which}}
         group by 1, 2, 3) n
 cross join lateral unnest(n.numbers) r
 where {{wanted}}
 order by 1, 2, 3, 4"""
_GAPS = _NUMBERS.format(
    which="(not %(business)s or business = %(day)s)", wanted="n.numbers <> int8multirange(range_merge(n.numbers))"
)
_SOME = _NUMBERS.format(
    which="(store, till, business) in (select * from unnest(%(stores)s::text[], %(tills)s::text[], %(days)s::text[]))",
    wanted="true",
)
_BEHIND = f"""
select m.lane, m.position, m.key, m.received_at, m.run_id, m.previous, m.correlation, m.payload::text as payload
  from unnest(%(lanes)s::int[], %(after)s::bigint[], %(upto)s::bigint[]) x(lane, after, upto)
 cross join lateral (
       select *
         from runtime_message m
        where m.stream_id = %(stream)s
          and m.lane = x.lane
          and m.position > x.after
          and m.position <= x.upto
          {_OF_THE_DAY}
        order by m.position
        limit %(limit)s) m
 order by m.lane, m.position
 limit %(limit)s"""
_HELD = f"""
with spans as (
       select lane, min(first) as first, max(last) as last
         from runtime_dayspan
        where {_DAYS}
        group by lane),
     left_batch as (
       select q.subscription_id, q.lane, q.position, 0 as later,
              case when q.state = 'behind'
                    and exists (select
                                  from runtime_quarantine h
                                 where h.subscription_id = q.subscription_id
                                   and h.key = q.key
                                   and h.position < q.position
                                   and h.state in ('dead', 'unknown')) then 'blocked' else q.state end as state
         from spans x
        cross join unnest(%(ids)s::bigint[]) as s(id)
         join runtime_quarantine q
           on q.subscription_id = s.id and q.lane = x.lane and q.position between x.first and x.last
        union all
       select t.subscription_id, t.lane, t.last, 1,
              case when t.outcome = 'given_up' then 'closed' else t.outcome end
         from spans x
        cross join unnest(%(ids)s::bigint[]) as s(id)
         join runtime_attempt t on t.subscription_id = s.id and t.lane = x.lane and t.last between x.first and x.last
        where t.outcome in ('given_up', 'skipped', 'declined')),
     latest as (
       select distinct on (subscription_id, lane, position) *
         from left_batch
        order by subscription_id, lane, position, later desc)
select l.subscription_id as subscription, l.lane, l.position, l.state, m.key, m.received_at, m.run_id, m.previous,
       m.correlation, m.payload::text as payload,
       (select case when l.position >= d.first then substr(d.outcomes, (l.position - d.first + 1)::int, 1) end
          from runtime_delivery d
         where d.subscription_id = l.subscription_id
           and d.lane = l.lane
           and d.last >= l.position
         order by d.last
         limit 1) as code
  from latest l
  join runtime_message m
    on m.stream_id = %(stream)s
   and m.lane = l.lane
   and m.position = l.position
   {_OF_THE_DAY}
 order by l.subscription_id, l.lane, l.position
 limit %(limit)s"""
_AT_PLACES = f"""
select m.lane, m.position, m.key, m.received_at, m.run_id, m.previous, m.correlation, m.payload::text as payload
  from unnest(%(lanes)s::int[], %(positions)s::bigint[]) x(lane, position)
  join runtime_message m
    on m.stream_id = %(stream)s
   and m.lane = x.lane
   and m.position = x.position
   {_OF_THE_DAY}
 order by m.lane, m.position
 limit %(limit)s"""
_FOLLOWED = f"""
select m.key, m.previous
  from runtime_message m
 where m.stream_id = %(stream)s
   and m.lane = any(%(lanes)s::int[])
   and m.position > %(first)s
   and m.previous = any(%(positions)s::bigint[])
   {_OF_THE_DAY}"""
_SPANS = """
select lane, min(first) as first, max(last) as last
  from runtime_dayspan
 where stream_id = %(stream)s and day between %(first_day)s and %(last_day)s
 group by lane"""


Till = tuple[str, str, str]
"""(store, till, business day)"""
Ranges = dict[Till, list[tuple[int, int]]]
"""Numbers that a till gave, first and last of each range."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A day of a stream: messages that arrived on it, or those of that business day that arrived from the day before to
    a week later. `since` and `until` are moments. With `last`, what arrived from the day to that one."""

    stream: int
    day: date
    business: bool
    since: datetime
    until: datetime
    last: date | None = None

    def arguments(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "business": self.business,
            "day": self.day.isoformat(),
            "since": self.since,
            "until": self.until,
            "first_day": self.day - timedelta(days=1 if self.business else 0),
            "last_day": self.last or self.day + timedelta(days=LATE_DAYS if self.business else 0),
            "zone": settings.TIME_ZONE,
        }


@dataclass(slots=True)
class KeptSums:
    """`log`: cells by store; `targets`: the same by target and code; `newest`: of fleets, keys by target and lane.
    `done`: {what a cursor is about: {lane: position}}. `at`: when the oldest part of it was brought up to date; None
    where nothing is kept yet."""

    log: dict[str, ByCurrency] = field(default_factory=dict)
    targets: dict[str, dict[str, dict[str, ByCurrency]]] = field(default_factory=dict)
    newest: dict[str, dict[int, int]] = field(default_factory=dict)
    undated: int = 0
    done: dict[str, dict[int, int]] = field(default_factory=dict)
    at: datetime | None = None

    def done_by(self, about: str, lane: int) -> int:
        return self.done.get(about, {}).get(lane, 0)


def kept(chosen: Chosen) -> KeptSums:
    """In one statement, so that sums and cursors are of one moment."""
    made = KeptSums()
    for row in rows(_KEPT, chosen.arguments()):
        if row["kind"] == "cursor":
            made.done.setdefault(row["target"], {})[row["lane"]] = row["number"]
            made.at = min(made.at or row["at"], row["at"])
        elif row["code"] == NEWEST:
            lanes = made.newest.setdefault(row["target"], {})
            lanes[row["lane"]] = lanes.get(row["lane"], 0) + row["number"]
        else:
            stores = made.targets.setdefault(row["target"], {}).setdefault(row["code"], {})
            if not row["target"]:
                stores, made.undated = made.log, made.undated + row["undated"]
            cell = stores.setdefault(row["store"], ByCurrency()).cell(row["currency"])
            cell.add(row["number"], row["amount"], row["unknown"])
    return made


def gaps(chosen: Chosen) -> Ranges:
    """Of tills whose numbers are not one range."""
    return _ranges(rows(_GAPS, chosen.arguments()))


def numbers(chosen: Chosen, tills: Collection[Till]) -> Ranges:
    """Of these tills."""
    if not tills:
        return {}
    stores, names, days = (list(part) for part in zip(*tills, strict=True))
    return _ranges(rows(_SOME, chosen.arguments() | {"stores": stores, "tills": names, "days": days}))


def _ranges(found: Sequence[dict[str, Any]]) -> Ranges:
    made: Ranges = {}
    for row in found:
        made.setdefault((row["store"], row["till"], row["business"]), []).append((row["first"], row["last"]))
    return made


def spans(chosen: Chosen) -> dict[int, tuple[int, int]]:
    """{lane: (first, last position)} of what is in the sums."""
    return {row["lane"]: (row["first"], row["last"]) for row in rows(_SPANS, chosen.arguments())}


def behind(
    chosen: Chosen, after: Mapping[int, int], limit: int, *, upto: Mapping[int, int] | None = None
) -> list[dict[str, Any]]:
    """Messages behind these positions of their lanes, at most `limit`, in order of lane and position."""
    most = (1 << 63) - 1
    given = {
        "lanes": list(after),
        "after": list(after.values()),
        "upto": [most if upto is None else upto.get(lane, most) for lane in after],
        "limit": limit,
    }
    return rows(_BEHIND, chosen.arguments() | given)


def held(chosen: Chosen, subscriptions: Sequence[int], limit: int) -> list[dict[str, Any]]:
    """Messages in the sums that left their batch and are in quarantine, or ended there otherwise than confirmed: with
    `state`, and `code`, under which they stand in the sums."""
    return rows(_HELD, chosen.arguments() | {"ids": list(subscriptions), "limit": limit})


def at_places(chosen: Chosen, places: Sequence[tuple[int, int]], limit: int) -> list[dict[str, Any]]:
    """Messages of the day at these places (lane, position)."""
    if not places:
        return []
    given = {"lanes": [lane for lane, _ in places], "positions": [position for _, position in places], "limit": limit}
    return rows(_AT_PLACES, chosen.arguments() | given)


def followed(chosen: Chosen, lanes: Sequence[int], places: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Of these (key, position), those whose key has a later message of the day. Reads the day from the first of them
    on."""
    if not places:
        return []
    positions = [position for _, position in places]
    given = {"lanes": list(lanes), "positions": positions, "first": min(positions)}
    return [(row["key"], row["previous"]) for row in rows(_FOLLOWED, chosen.arguments() | given)]
