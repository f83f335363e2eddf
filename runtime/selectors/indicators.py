"""What is there to be measured now: the flows and systems of every deployed release, with what they promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog.selectors import tiers
from runtime.domain import objectives
from runtime.domain.objectives import AVAILABILITY, FRESHNESS, LATENCY, Objective, ObjectivePolicyFacts, ObjectiveScope
from runtime.models import ObjectivePolicy
from runtime.selectors.sql_rows import rows


@dataclass(frozen=True, slots=True)
class Measured:
    """One thing that is to be measured. `stream` None: it is about a system."""

    scope: ObjectiveScope
    stream: int | None
    system: str
    paused: bool = False
    objective: Objective | None = None

    @property
    def place(self) -> tuple[str, str, int | None, str, str]:
        """As the indicator is known in the database."""
        return self.scope.kind, self.scope.environment, self.stream, self.scope.target, self.system


@dataclass(slots=True)
class _System:
    tiers: list[int] = field(default_factory=list)
    paused: list[bool] = field(default_factory=list)


_FLOWS = """
select st.id as stream, st.environment, i.key as integration, s.target, r.tier, d.paused,
       min(v.system_key) as system,
       (select t -> 'objectives'
          from jsonb_array_elements(r.manifest -> 'targets') t
         where t ->> 'name' = s.target
         limit 1) as objectives
  from runtime_deployment d
  join runtime_release r on r.id = d.release_id
  join runtime_integration i on i.id = d.integration_id
  join runtime_stream st on st.integration_id = d.integration_id and st.environment = d.environment
  join runtime_subscription s on s.stream_id = st.id and s.open and s.replay_of_id is null
  join runtime_vendorstate v on v.id = s.vendor_id
 where d.active
 group by st.id, i.key, s.target, r.id, d.id
 order by st.id, s.target"""


def to_measure() -> Iterator[Measured]:
    """Freshness and latency of each flow, availability of each system that a flow calls, with the objective in force.

    A system serves flows of several tiers: it owes what the strictest of them promises.
    """
    policies, of_tier = list(standing_policies()), {tier.level: tier for tier in tiers.all_tiers()}
    systems: dict[tuple[str, str], _System] = {}
    for row in rows(_FLOWS):
        place = {"integration": row["integration"], "target": row["target"], "system": row["system"]}
        given = row["objectives"]
        given = json.loads(given) if isinstance(given, str) else given
        called = systems.setdefault((row["environment"], row["system"]), _System())
        called.tiers.append(row["tier"])
        called.paused.append(row["paused"])
        for kind in (FRESHNESS, LATENCY):
            scope = ObjectiveScope(kind, **place, environment=row["environment"], tier=row["tier"])
            found = objectives.effective(
                scope, policies, objectives.of_manifest(given, kind), objectives.of_tier(of_tier.get(row["tier"]), kind)
            )
            yield Measured(scope, row["stream"], row["system"], row["paused"], found)
    for (environment, system), called in systems.items():
        tier = min(called.tiers)
        scope = ObjectiveScope(AVAILABILITY, system=system, environment=environment, tier=tier)
        found = objectives.effective(scope, policies, None, objectives.of_tier(of_tier.get(tier), AVAILABILITY))
        yield Measured(scope, None, system, all(called.paused), found)


def standing_policies() -> Iterator[ObjectivePolicyFacts]:
    """What people have set, in the order in which they did."""
    for one in ObjectivePolicy.objects.select_related("integration").order_by("id"):
        yield ObjectivePolicyFacts(scope_of(one), policy_objective(one))


def scope_of(one: ObjectivePolicy) -> ObjectiveScope:
    key = one.integration.key if one.integration else ""
    return ObjectiveScope(one.kind, key, one.target, one.system_key, one.environment, one.tier)


def policy_objective(one: ObjectivePolicy) -> Objective | None:
    if one.share is None:
        return None
    return Objective(one.share, one.limit_s, "policy", f"policy of {one.set_at:%Y-%m-%d}: {one.reason}"[:200])


# The share of a system's stores that are known to take no calls: an open circuit breaker, or a fault of the connection
# to one or to a target of it. A person may have opened it: nobody is served all the same. One that is half open and
# that nobody calls is no evidence.
_DOWN = """
select v.environment, v.system_key as system,
       (count(distinct v.id) filter (where (v.breaker = 'open'
                                              and greatest(v.open_until, v.probe_until) > clock_timestamp())
                                           or v.fault <> ''
                                           or s.fault <> ''))::float8
       / count(distinct v.id) as down
  from runtime_vendorstate v
  join runtime_subscription s on s.vendor_id = v.id and s.open and s.replay_of_id is null
  join runtime_stream st on st.id = s.stream_id
  join runtime_deployment d on d.integration_id = st.integration_id and d.environment = st.environment and d.active
 group by 1, 2"""


def down() -> dict[tuple[str, str], float]:
    """By environment and system."""
    return {(row["environment"], row["system"]): row["down"] for row in rows(_DOWN)}


_SUMS = """
select indicator_id as indicator, {windows}, max(begins) filter (where looked > 0) as looked_at
  from runtime_indicatorperiod
 where begins > %(now)s - interval '{longest} minutes'
   and begins <= %(now)s
 group by indicator_id"""
_COLUMNS = ("looked", "counted", "good", "allowed")


def recent_sums(now: datetime, windows: tuple[int, ...]) -> list[dict[str, Any]]:
    """Sums of the last minutes, for each window, of all indicators: one statement over some days of periods. A window
    ends now and begins with the period that holds its first minute."""
    parts = [
        f"coalesce(sum({column}) filter (where begins > %(now)s - interval '{window + 5} minutes'), 0)"
        f" as {column}_{window}"
        for window in windows
        for column in _COLUMNS
    ]
    text = _SUMS.format(windows=", ".join(parts), longest=max(windows) + 5)
    return rows(text, {"now": now})
