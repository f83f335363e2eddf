"""Measure every flow and system once a minute: ages and circuit breakers as they are, latencies from the evidence.

What is kept are sums of five minutes and of days. Any number of processes may measure: a minute counts once, and
what is computed from evidence is computed again without harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from kernel import clock, process_measures
from kernel.periodic_jobs import NOT_RUN
from kernel.postgresql import lock_holders
from runtime.domain import service_levels as rules
from runtime.domain.objectives import AVAILABILITY, FRESHNESS, LATENCY, Objective
from runtime.domain.service_levels import Sums
from runtime.ledger import service_levels as ledger
from runtime.models import IndicatorPeriod, ObjectiveChange, ServiceIndicator
from runtime.selectors import flows, indicators
from runtime.selectors.flows import Flow
from runtime.selectors.indicators import Measured
from runtime.selectors.sql_rows import rows

RECENT = 3  # periods that are computed anew each time: evidence is committed a little after its time
KEPT_DAYS = 4  # of periods; days stay as long as retention says
# A minute that is known already is left as it is, so that nothing counts twice.
_SAMPLE = """
insert into runtime_indicatorperiod as p (indicator_id, begins, minutes, looked, counted, good, allowed, paused)
values (%(indicator)s, %(begins)s, %(bit)s, %(looked)s, %(counted)s, %(good)s, %(allowed)s, %(paused)s)
on conflict (indicator_id, begins) do update
set minutes = p.minutes | excluded.minutes, looked = p.looked + excluded.looked,
    counted = p.counted + excluded.counted, good = p.good + excluded.good, allowed = p.allowed + excluded.allowed,
    paused = p.paused + excluded.paused
where p.minutes & excluded.minutes = 0"""
_COMPUTED = """
insert into runtime_indicatorperiod as p
       (indicator_id, begins, looked, counted, good, allowed, paused, pending, histogram, again_at)
values (%(indicator)s, %(begins)s, %(looked)s, %(counted)s, %(good)s, %(allowed)s, 0, %(pending)s,
        %(histogram)s, %(again_at)s)
on conflict (indicator_id, begins) do update
set looked = excluded.looked, counted = excluded.counted, good = excluded.good, allowed = excluded.allowed,
    pending = excluded.pending, histogram = excluded.histogram, again_at = excluded.again_at
where p.minutes = 0"""
# Messages under way while the clock was set have no length that could be told: their periods are closed as they are.
_CLOSE = """
update runtime_indicatorperiod p
set minutes = 1, pending = 0, again_at = null
from runtime_indicator i
where i.id = p.indicator_id and i.kind = 'latency' and (p.again_at is not null or p.begins >= %(since)s)"""
_CLOSE_PRESENT = """
insert into runtime_indicatorperiod (indicator_id, begins, minutes)
select id, %(begins)s, 1 from runtime_indicator where kind = 'latency' and active
on conflict do nothing"""
_AGAIN = """
select indicator_id as indicator, begins from runtime_indicatorperiod
where again_at <= %(now)s and begins < %(recent)s
order by again_at limit 500"""
WRITTEN = ["share", "limit_s", "source", "tier", "paused", "active", "since", "reason", "answered", "unanswered"]
WRITTEN += ["looked_at"]
SUMMED = ("looked", "counted", "good", "allowed", "paused", "pending")
Place = tuple[str, str, int | None, str, str]


@dataclass(slots=True)
class MinuteLook:
    """One look at everything: what is deployed as the database knows it, the objectives that it ever had, and what is
    to be written at the end."""

    now: datetime
    measured: list[Measured] = field(default_factory=list)
    known: dict[Place, ServiceIndicator] = field(default_factory=dict)
    changes: dict[int, list[ObjectiveChange]] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    computed: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[tuple[ServiceIndicator, Measured]]:
        return ((self.known[one.place], one) for one in self.measured if one.scope.kind == kind)

    def objective_at(self, known: ServiceIndicator, moment: datetime) -> Objective | None:
        """The objective that was in force at a moment; the first one for what came before it was known."""
        changes = self.changes[known.pk]
        one = next((change for change in reversed(changes) if change.since <= moment), changes[0])
        if one.share is None:
            return None
        return Objective(one.share, one.limit_s, one.source, one.said)

    def say(self, known: ServiceIndicator, why: str, *, looked: bool) -> None:
        known.reason = why[:200]
        known.looked_at = self.now if looked else known.looked_at

    def write(self) -> None:
        with connection.cursor() as cursor:
            if self.samples:
                cursor.executemany(_SAMPLE, self.samples)
            if self.computed:
                cursor.executemany(_COMPUTED, self.computed)
        ServiceIndicator.objects.bulk_update(list(self.known.values()), WRITTEN, batch_size=500)


def measure(*, at: datetime | None = None, sum_up: bool = True) -> int:
    """One look at everything. Today is summed up each time, with `sum_up` yesterday as well. Answers how many
    indicators there are; 0 where another process measures just now."""
    now = at or clock.now()
    with transaction.atomic():
        if not lock_holders.alone("measuring", "runtime_objectivepolicy"):
            return NOT_RUN
        look = _begin(now)
        streams = sorted({one.stream for one in look.measured if one.stream is not None})
        ledger.mark(rows, streams, rules.period_of(now))
        _sample_freshness(look)
        _sample_availability(look)
        _compute_latencies(look)
        look.write()
        _sum_up_days(now, yesterday=sum_up)
    return len(look.known)


def clock_was_set(*, at: datetime | None = None) -> None:
    """The database's clock was set: what was under way at that moment is not judged."""
    begins = rules.period_of(at or clock.now())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOSE, {"since": begins - RECENT * rules.PERIOD})
        cursor.execute(_CLOSE_PRESENT, {"begins": begins})


def drop_old(*, at: datetime | None = None) -> int:
    """Periods and marks of which the days are summed up."""
    edge = (at or clock.now()) - timedelta(days=KEPT_DAYS)
    with connection.cursor() as cursor:
        cursor.execute("delete from runtime_indicatorperiod where begins < %s", [edge])
        gone = int(cursor.rowcount)
        cursor.execute("delete from runtime_lanemark where begins < %s", [edge])
    return gone + int(cursor.rowcount)


# -- what is measured --------------------------------------------------------------------------------------------------
def _begin(now: datetime) -> MinuteLook:
    """The indicators of what is deployed, with the objective in force; a change of it goes into its history."""
    look = MinuteLook(now, list(indicators.to_measure()))
    held = {_place(one): one for one in ServiceIndicator.objects.all()}
    for change in ObjectiveChange.objects.filter(indicator__in=list(held.values())).order_by("since", "id"):
        look.changes.setdefault(change.indicator_id, []).append(change)
    for one in look.measured:
        known = held.get(one.place) or _made(one, now)
        look.known[one.place] = known
        _refresh(look, known, one)
    gone = [one.pk for place, one in held.items() if one.active and place not in look.known]
    ServiceIndicator.objects.filter(pk__in=gone).update(active=False)
    return look


def _place(one: ServiceIndicator) -> Place:
    return one.kind, one.environment, one.stream_id, one.target, one.system_key


def _made(one: Measured, now: datetime) -> ServiceIndicator:
    kind, environment, stream, target, system = one.place
    return ServiceIndicator.objects.create(
        kind=kind, environment=environment, stream_id=stream, target=target, system_key=system, since=now
    )


def _refresh(look: MinuteLook, known: ServiceIndicator, found: Measured) -> None:
    objective = found.objective
    known.share, known.limit_s = objective.same_as if objective else (None, None)
    known.source = objective.source if objective else ""
    known.tier, known.paused = found.scope.tier or 0, found.paused
    if not known.active:
        known.active, known.since = True, look.now
    changes = look.changes.setdefault(known.pk, [])
    if not changes or (changes[-1].share, changes[-1].limit_s) != (known.share, known.limit_s):
        said = objective.said if objective else ""
        changes.append(
            ObjectiveChange.objects.create(
                indicator=known,
                since=look.now,
                share=known.share,
                limit_s=known.limit_s,
                source=known.source,
                said=said,
            )
        )


# -- one look ----------------------------------------------------------------------------------------------------------
def _sample_freshness(look: MinuteLook) -> None:
    environments = sorted({one.scope.environment for one in look.measured})
    standing = {(flow.stream, flow.target): flow for place in environments for flow in flows.standing(place)}
    for known, about in look.of(FRESHNESS):
        flow = standing.get((about.stream or 0, about.scope.target))
        if flow is not None:
            seen, why = _freshness(flow, about.objective)
            look.say(known, why, looked=seen is not None)
            if seen is not None:
                look.samples.append(_sample(known, seen, about, look.now))


def _freshness(flow: Flow, objective: Objective | None) -> tuple[Sums | None, str]:
    """What one look at a flow says, and why it says nothing, or not all."""
    limit = None if objective is None else objective.limit_s
    ages = [flow.operating_state(mine, gate).age for _, mine, gate in flow.instances]
    known = [age for age in ages if age is not None]
    if limit is None:
        return None, ""
    seen = rules.fresh_minute(sum(age.total_seconds() <= limit for age in known), len(known), len(ages))
    if len(known) == len(ages):
        return seen, ""
    if not flow.source.look.can_look:
        return seen, "its source promises no sign of life, so nobody can tell silence from nothing new"
    never = "its source was never read" if flow.source.look.looked_at is None else "nothing was ever delivered"
    return seen, never if not known else f"{never} in {len(ages) - len(known)} of {len(ages)} stores"


def _sample_availability(look: MinuteLook) -> None:
    """Calls since the last look, from the counts of all processes, and the stores that are down now."""
    counts, down = _answers(), indicators.down()
    for known, about in look.of(AVAILABILITY):
        place = about.scope.environment, about.system
        answered, unanswered = counts.get(place, (0.0, 0.0))
        more = _more(answered, known.answered), _more(unanswered, known.unanswered)
        known.answered, known.unanswered = answered, unanswered
        look.say(known, "", looked=True)
        seen = rules.available_minute(*more, down.get(place, 0.0))
        look.samples.append(_sample(known, seen, about, look.now))


def _more(now: float, before: float | None) -> float:
    """Since the last look; at the first one nothing is known of when the calls were. Counts that fell began anew."""
    if before is None:
        return 0.0
    return now - before if now >= before else now


def _answers() -> dict[tuple[str, str], tuple[float, float]]:
    """Calls that were answered and not, by environment and system, as all processes have counted them so far."""
    made: dict[tuple[str, str], tuple[float, float]] = {}
    for labels, count in process_measures.total().get("tillgate_vendor_answers_total", {}).items():
        environment, system, outcome = json.loads(labels)
        answered, unanswered = made.get((environment, system), (0.0, 0.0))
        if outcome == "answered":
            answered += count
        else:
            unanswered += count
        made[environment, system] = answered, unanswered
    return made


def _sample(known: ServiceIndicator, seen: Sums, about: Measured, now: datetime) -> dict[str, Any]:
    """One minute to be added. Without an objective nothing is judged."""
    objective = about.objective
    counted, good = (seen.counted, seen.good) if objective is not None else (0.0, 0.0)
    return {
        "indicator": known.pk,
        "begins": rules.period_of(now),
        "bit": 1 << (now.minute % 5),
        "looked": seen.looked,
        "counted": counted,
        "good": good,
        "allowed": counted * objective.budget if objective else 0.0,
        "paused": counted - good if about.paused else 0.0,
    }


# -- latency -----------------------------------------------------------------------------------------------------------
def _compute_latencies(look: MinuteLook) -> None:
    present = rules.period_of(look.now)
    due: dict[int, list[datetime]] = {}
    for row in rows(_AGAIN, {"now": look.now, "recent": present - (RECENT - 1) * rules.PERIOD}):
        due.setdefault(row["indicator"], []).append(row["begins"])
    for known, about in look.of(LATENCY):
        recent = max(present - (RECENT - 1) * rules.PERIOD, rules.period_of(known.since))
        _compute(look, known, about, recent, look.now)
        for begins in due.get(known.pk, []):
            _compute(look, known, about, begins, begins + rules.PERIOD)


def _compute(look: MinuteLook, known: ServiceIndicator, about: Measured, since: datetime, until: datetime) -> None:
    """Latencies of the messages that arrived in these periods, judged by the objective in force when they came."""
    begins = since
    while begins < until:  # usually one objective for all of them, and one query
        objective, ends = look.objective_at(known, begins), begins + rules.PERIOD
        while ends < until and look.objective_at(known, ends) == objective:
            ends += rules.PERIOD
        _judge(look, known, about, (begins, min(ends, until)), objective)
        begins = ends


def _judge(
    look: MinuteLook,
    known: ServiceIndicator,
    about: Measured,
    span: tuple[datetime, datetime],
    objective: Objective | None,
) -> None:
    begins, until = span
    found = ledger.latencies(
        rows,
        stream=about.stream or 0,
        target=about.scope.target,
        since=begins,
        until=until,
        marked=begins if begins == rules.period_of(known.since) else begins - rules.PERIOD,
        limit=ledger.NO_LIMIT if objective is None or objective.limit_s is None else objective.limit_s,
    )
    if found is None:
        return
    by_period: dict[int, list[Mapping[str, Any]]] = {}
    for row in found:
        by_period.setdefault(row["period"], []).append(row)
    while begins < until:
        mine = by_period.get(int(begins.timestamp()) // 300, [])
        look.computed.append(_period(mine, begins, objective, look.now) | {"indicator": known.pk})
        begins += rules.PERIOD
    look.say(known, known.reason, looked=True)


def _period(
    found: Iterable[Mapping[str, Any]], begins: datetime, objective: Objective | None, now: datetime
) -> dict[str, Any]:
    """The row of one period. It is looked at again after as long as it is old, at the latest when its last message is
    due."""
    messages = pending = good = 0.0
    histogram: dict[str, float] = {}
    for row in found:
        messages += row["messages"]
        pending += row["pending"]
        good += row["good"]
        if row["bucket"] is not None:
            histogram[str(row["bucket"])] = row["messages"]
    counted = messages - pending if objective is not None else 0.0
    ends, again = begins + rules.PERIOD, max(now + (now - begins), now + rules.PERIOD)
    if objective is not None and objective.limit_s is not None:
        due = ends + timedelta(seconds=objective.limit_s + 1)
        again = min(again, due) if due > now else again
    return {
        "begins": begins,
        "looked": min((now - begins).total_seconds() / 60, 5.0),
        "counted": counted,
        "good": good if objective is not None else 0.0,
        "allowed": counted * objective.budget if objective is not None else 0.0,
        "pending": pending,
        "histogram": json.dumps(histogram) if histogram else None,
        "again_at": again if pending else None,
    }


# -- days --------------------------------------------------------------------------------------------------------------
def _sum_up_days(now: datetime, *, yesterday: bool) -> None:
    """Today, and yesterday, from their periods: what was judged late is in."""
    zone = timezone.get_current_timezone()
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    since = (today - timedelta(hours=12)).replace(hour=0) if yesterday else today
    given: dict[str, Any] = {
        "zone": settings.TIME_ZONE,
        "since": since,
        "until": (today + timedelta(hours=36)).replace(hour=0),
    }
    with connection.cursor() as cursor:
        cursor.execute(ledger.DAYS, given | {"now": now})


def sums_of(row: IndicatorPeriod | Mapping[str, Any]) -> Sums:
    """The sums of one row of periods or days."""
    held = row if isinstance(row, Mapping) else vars(row)
    histogram = held.get("histogram") or {}
    histogram = json.loads(histogram) if isinstance(histogram, str) else histogram
    looked, counted, good, allowed, paused, pending = (float(held.get(name) or 0.0) for name in SUMMED)
    buckets = {int(bucket): float(count) for bucket, count in histogram.items()}
    return Sums(looked, counted, good, allowed, paused, pending, buckets)
