"""When the source of each flow was last looked at successfully: half of what "fresh" means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kernel import clock
from runtime.domain.degraded import SourceLook
from runtime.domain.open_hours import OpenHours, hours_of
from runtime.domain.schedule import distance
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source of a deployed release, as a flow sees it.

    `failing` says why the last run did not succeed, or why the source is left alone now; else it is empty.
    `expect_every`: how often a source that is fed by intake promises a sign of life, within which `hours`. `held`:
    states that are in force nowhere or not everywhere yet, the next of them from `held_until` on.
    """

    look: SourceLook = field(default_factory=lambda: SourceLook(can_look=False))
    failing: str = ""
    expect_every: timedelta | None = None
    hours: OpenHours | None = None
    held: int = 0
    held_until: datetime | None = None


# One row per source of a release. A source without a connection is fed by intake: its last sign of life is its newest
# message, or, where others put messages into the same stream, what intake has noted. Runs from before they named their
# source count for each source of their stream.
_SOURCES = """
select st.id as stream, s.name as source, s.polled, s.expect_every, s.expect_within,
       coalesce(src.read_at, (select b.started_at
                               from runtime_run b
                              where s.polled
                                and b.stream_id = st.id
                                and b.kind = 'collect'
                                and b.state = 'succeeded'
                                and b.source in (s.name, '')
                              order by b.id desc
                              limit 1)) as read_at,
       last.state, last.error, coalesce(src.wait_reason, '') as wait_reason, src.not_before,
       newest.received_at as last_message,
       coalesce(held.states, 0) as held, held.until as held_until
  from runtime_stream st
  join runtime_deployment d on d.integration_id = st.integration_id and d.environment = st.environment and d.active
  join runtime_release r on r.id = d.release_id
 cross join lateral (select e ->> 'name' as name, e ? 'connection' as polled, e ->> 'expect_every' as expect_every,
                              e -> 'expect_within' as expect_within,
                              e ? 'valid' or r.manifest -> 'event' ? 'valid' as dated,
                              case when jsonb_array_length(r.manifest -> 'sources') > 1
                                   then (e ->> 'name') || ':' else '' end as prefix
                       from jsonb_array_elements(r.manifest -> 'sources') e) s
  left join runtime_source src on src.stream_id = st.id and src.name = s.name
  left join lateral (select u.state, u.error
                       from runtime_run u
                      where s.polled
                        and u.integration_id = st.integration_id
                        and u.stream_id = st.id
                        and u.kind = 'collect'
                        and u.state <> 'running'
                        and u.source in (s.name, '')
                      order by u.id desc
                      limit 1) last on s.polled
  left join lateral (select max(m.received_at) as received_at
                       from runtime_lane l
                      cross join lateral (select m.received_at
                                            from runtime_message m
                                           where m.stream_id = l.stream_id
                                             and m.lane = l.lane
                                             and m.position < l.next
                                           order by m.position desc
                                           limit 1) m
                      where l.stream_id = st.id) newest on not s.polled and s.prefix = ''
  left join lateral (select count(distinct (m.subject, m.record)) as states, min(m.at) as until
                       from runtime_validitymoment m
                      where m.stream_id = st.id
                        and m.fired_at is null
                        and m.kind = 'begins'
                        and starts_with(m.subject, s.prefix)) held on s.dated
 where st.id = any(%(streams)s)"""


def of(streams: Iterable[int]) -> dict[tuple[int, str], SourceState]:
    """By stream and source name, in one query."""
    wanted = sorted(set(streams))
    found: dict[tuple[int, str], SourceState] = {}
    for row in rows(_SOURCES, {"streams": wanted}) if wanted else ():
        every = None if row["expect_every"] is None else distance(row["expect_every"])
        hours = hours_of(row["expect_within"])
        if row["polled"]:
            look = SourceLook(row["read_at"])
        else:
            last = max(filter(None, (row["last_message"], row["read_at"])), default=None)
            look = SourceLook(last if every else None, every is not None, last, _counts_from(last, every, hours))
        failed = row["state"] not in (None, "succeeded")
        failing = (row["error"] or f"the last run has {row['state']}") if failed else ""
        if row["wait_reason"]:
            until = f"{row['not_before']:%H:%M} UTC" if row["not_before"] else "later"
            failing = f"it asked to be left alone until {until} ({row['wait_reason']})"
        found[row["stream"], row["source"]] = SourceState(look, failing, every, hours, row["held"], row["held_until"])
    return found


def _counts_from(last: datetime | None, every: timedelta | None, hours: OpenHours | None) -> datetime | None:
    """From when on the age of a source counts that hands in within opening hours only."""
    if last is None or every is None or hours is None:
        return None
    now = clock.now()
    return now - hours.counted(last, now)
