"""Statements of measuring: marks of lanes, latencies from the evidence, and sums by day. Each is bounded by the minutes
that it is about, not by what the log holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runtime.domain.batches import LONGEST_BATCH
from runtime.domain.service_levels import BOUNDS
from runtime.ledger import sql

Execute = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""Run a statement; answers its rows by column name."""

NO_LIMIT = 1e15  # seconds
_LATENCY = sql.read("latency")
_MARK = """
insert into runtime_lanemark (stream_id, begins, following)
select l.stream_id, %(begins)s, array_agg(l.next order by l.lane)
  from runtime_lane l
 where l.stream_id = any(%(streams)s)
 group by l.stream_id
on conflict do nothing
returning stream_id"""
# The lanes as they were at the last mark before a moment, and as they are now or at the first mark after another.
_PLACES = """
select a.following as before,
       coalesce((select b.following
                   from runtime_lanemark b
                  where b.stream_id = a.stream_id and b.begins >= %(until)s
                  order by b.begins
                  limit 1),
                (select array_agg(l.next order by l.lane)
                   from runtime_lane l
                  where l.stream_id = a.stream_id)) as behind
  from runtime_lanemark a
 where a.stream_id = %(stream)s and a.begins <= %(since)s
 order by a.begins desc
 limit 1"""
# Three looks or four in five minutes stand for all five: a minute is left out where a look took longer than that.
DAYS = """
insert into runtime_indicatorday as d (indicator_id, day, looked, counted, good, allowed, paused, pending, histogram)
select s.indicator_id, s.day, s.looked, s.counted, s.good, s.allowed, s.paused, s.pending, h.histogram
  from (select indicator_id, (begins at time zone %(zone)s)::date as day, sum(looked * part) as looked,
               sum(counted * part) as counted, sum(good * part) as good, sum(allowed * part) as allowed,
               sum(paused * part) as paused, sum(pending) as pending
          from (select p.*, case when bit_count(minutes::int::bit(5)) between 3 and 4
                                  and begins + interval '5 minutes' <= %(now)s
                                 then 5.0 / bit_count(minutes::int::bit(5)) else 1.0 end as part
                  from runtime_indicatorperiod p
                 where begins >= %(since)s and begins < %(until)s) q
         group by 1, 2) s
  left join (select indicator_id, day, jsonb_object_agg(bucket, messages) as histogram
               from (select p.indicator_id, (p.begins at time zone %(zone)s)::date as day, b.key as bucket,
                            sum(b.value::float8) as messages
                       from runtime_indicatorperiod p
                      cross join jsonb_each_text(p.histogram) b
                      where p.begins >= %(since)s and p.begins < %(until)s
                      group by 1, 2, 3) x
              group by 1, 2) h using (indicator_id, day)
on conflict (indicator_id, day) do update
set looked = excluded.looked, counted = excluded.counted, good = excluded.good, allowed = excluded.allowed,
    paused = excluded.paused, pending = excluded.pending, histogram = excluded.histogram"""


def mark(execute: Execute, streams: Sequence[int], begins: datetime) -> int:
    """Note where the lanes of these streams are, once a period. Answers how many were noted."""
    return len(execute(_MARK, {"streams": list(streams), "begins": begins}))


def latencies(
    execute: Execute, *, stream: int, target: str, since: datetime, until: datetime, marked: datetime, limit: float
) -> list[dict[str, Any]] | None:
    """Messages that arrived in some minutes, by period and bucket. One query per flow, over the positions between two
    marks; `marked` is a moment before `since` by which a transaction that had begun earlier is over. None where
    nothing was marked so early."""
    places = execute(_PLACES, {"stream": stream, "since": marked, "until": until})
    if not places:
        return None
    before, behind = list(places[0]["before"]), list(places[0]["behind"])
    lanes = max(len(before), len(behind))  # a redeployment may have given more or fewer
    before += [1] * (lanes - len(before))
    behind += before[len(behind) :]
    given = {"stream": stream, "target": target, "since": since, "until": until, "limit": limit}
    given |= {"lanes": list(range(lanes)), "firsts": before, "lasts": [one - 1 for one in behind]}
    given |= {"bounds": list(BOUNDS), "longest_batch": LONGEST_BATCH}
    return execute(_LATENCY, given)
