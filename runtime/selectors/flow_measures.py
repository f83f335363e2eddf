"""Flows for Prometheus: the figures of the pages (`selectors.flows`), summed over the stores of a target.

One query more for messages that wait for a person, by reason, and two for what has passed so far.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernel import clock
from kernel.measures import Found, reading
from kernel.viewer import SYSTEM
from runtime.selectors import flows
from runtime.selectors.flows import Flow
from runtime.selectors.sql_rows import rows

FLOW = ("environment", "integration", "target")
_SOURCE = FLOW[:2]

INFO = reading(
    "flow_info", "Each flow, for joins: its tier, owner team and target system.", (*FLOW, "tier", "team", "system")
)
WAITING = reading("flow_waiting_messages", "Messages in the queue of the target.", FLOW)
OLDEST = reading("flow_oldest_waiting_age_seconds", "Age of the oldest message in the queue; 0 where none waits.", FLOW)
QUARANTINED = reading(
    "flow_quarantined_messages",
    "Messages in quarantine: dead and unknown wait for a person, retry goes on by itself, behind waits for another.",
    (*FLOW, "state"),
)
FOR_A_PERSON = reading(
    "flow_dead_letters", "Messages that wait for a person, by class of the reason.", (*FLOW, "state", "reason_class")
)
TODAY = reading("flow_delivered_today_messages", "Messages confirmed since local midnight, as the page shows.", FLOW)
LAST = reading("flow_last_delivery_timestamp_seconds", "When the target last confirmed or ended a batch.", FLOW)
SOURCE_AGE = reading(
    "flow_source_age_seconds", "Time since the last successful look at the source; absent where there was none.", FLOW
)
DATA_AGE = reading(
    "flow_data_age_seconds", "Age of what the target has, of its worst store; absent where it is unknown.", FLOW
)
ALLOWED_AGE = reading("flow_allowed_age_seconds", "Greatest age that the tier allows; absent without a limit.", FLOW)
LATE = reading("flow_late", "Whether the queue or the source is older than the tier allows: 1 or 0.", FLOW)
PAUSED = reading("flow_paused", "Whether people have paused the flow: 1 or 0.", FLOW)
INSTANCES = reading("flow_instances", "Stores of the target; 1 where it has none.", FLOW)
CLOSED = reading("flow_closed_instances", "Stores whose gate is closed, by people or by the state of the vendor.", FLOW)
BEHIND = reading(
    "flow_behind_instances", "Stores that lack a message, take no calls, or whose source is not read.", FLOW
)
LANES = reading("flow_lanes", "Lanes of the target: held by a worker, or free.", (*FLOW, "state"))
PACE = reading(
    "flow_pace_messages_per_second", "Messages a second and store to which people have limited the target.", FLOW
)
NOT_STORED = reading(
    "integration_not_stored_messages", "Rejected messages and conflicts that wait for a person.", _SOURCE
)
LOGGED = reading("integration_logged_messages", "Messages stored in the log so far.", _SOURCE, kind="counter")
PASSED = reading(
    "flow_passed_messages", "Messages that have left the queue of the target so far, to wherever.", FLOW, kind="counter"
)

_ENVIRONMENTS = "select distinct environment from runtime_deployment where active order by 1"
_BY_REASON = """
select st.environment, i.key as integration, s.target, q.state, q.reason_class, count(*) as count
  from runtime_quarantine q
  join runtime_subscription s on s.id = q.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
 where q.state in ('dead', 'unknown')
 group by 1, 2, 3, 4, 5"""
_LOGGED = """
select st.environment, i.key as integration, sum(l.next - 1 - l.gap)::bigint as count
  from runtime_lane l
  join runtime_stream st on st.id = l.stream_id
  join runtime_integration i on i.id = st.integration_id
 group by 1, 2"""
_PASSED = """
select st.environment, i.key as integration, s.target,
       sum(p.position - l.gap + case when c.id is null then 0 else c.first - 1 - coalesce(c.ends[p.lane + 1], 0) end)
           ::bigint as passed,
       count(*) filter (where p.lane < st.lanes) as lanes,
       max(s.pace)::float8 as pace,
       count(*) filter (where p.owner is not null and p.lease_until > clock_timestamp()) as held
  from runtime_progress p
  join runtime_subscription s on s.id = p.subscription_id
  join runtime_stream st on st.id = s.stream_id
  join runtime_integration i on i.id = st.integration_id
  join runtime_lane l on l.stream_id = st.id and l.lane = p.lane
  left join runtime_lanechange c on c.id = s.lane_change and p.lane < c.before
 where s.replay_of_id is null
 group by 1, 2, 3"""


def read() -> Iterator[Found]:
    """Every environment in which something is deployed."""
    for found in rows(_ENVIRONMENTS):
        for flow in flows.today(SYSTEM, found["environment"]):
            yield from _flow(flow)
    for row in rows(_BY_REASON):
        place = row["environment"], row["integration"], row["target"]
        yield Found(FOR_A_PERSON, (*place, row["state"], row["reason_class"] or "other"), row["count"])
    for row in rows(_LOGGED):
        yield Found(LOGGED, (row["environment"], row["integration"]), row["count"])
    for row in rows(_PASSED):
        place = row["environment"], row["integration"], row["target"]
        yield Found(PASSED, place, row["passed"])
        if row["pace"] is not None:
            yield Found(PACE, place, row["pace"])
        yield Found(LANES, (*place, "held"), row["held"])
        yield Found(LANES, (*place, "free"), row["lanes"] - row["held"])


def _flow(flow: Flow) -> Iterator[Found]:
    place, now, held = (flow.environment, flow.integration, flow.target), clock.now(), flow.backlog
    yield Found(INFO, (*place, str(flow.tier), flow.team, flow.target_system), 1)
    yield Found(WAITING, place, held.waiting)
    yield Found(OLDEST, place, flow.lag.total_seconds())
    for state in ("dead", "unknown", "behind"):
        yield Found(QUARANTINED, (*place, state), getattr(held, state))
    yield Found(QUARANTINED, (*place, "retry"), held.retrying)
    yield Found(TODAY, place, flow.delivered)
    if held.last_delivery_at is not None:
        yield Found(LAST, place, held.last_delivery_at.timestamp())
    if flow.source.look.looked_at is not None:
        yield Found(SOURCE_AGE, place, max((now - flow.source.look.looked_at).total_seconds(), 0.0))
    ages = [flow.operating_state(mine, gate).age for _, mine, gate in flow.instances]
    if ages and all(age is not None for age in ages):
        yield Found(DATA_AGE, place, max(age.total_seconds() for age in ages if age is not None))
    if flow.allowed is not None:
        yield Found(ALLOWED_AGE, place, flow.allowed.total_seconds())
    yield Found(LATE, place, int(flow.late))
    yield Found(PAUSED, place, int(flow.paused))
    yield Found(INSTANCES, place, len(flow.instances))
    yield Found(CLOSED, place, sum(gate is not None and not gate.open for _, _, gate in flow.instances))
    yield Found(BEHIND, place, flow.instances_behind)
    if flow.not_stored:
        yield Found(NOT_STORED, place[:2], flow.not_stored)
