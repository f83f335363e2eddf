"""Who asks the gate, and where: the application, its subscriptions, rights and calls; the environment; the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from catalog.domain.facts import SubscriptionState
from catalog.domain.subscription_state import SubscriptionRow, state_at
from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class GateApplication:
    """The application that asks. `known` is False where there is no such application; `team_key` is "" where it has
    no team; `states` holds the subscription's state by version id. `may_provide`: its team owns an API, or it was
    granted the right to provide one."""

    known: bool
    team_id: int | None
    team_key: str
    may_provide: bool
    granted_apis: frozenset[int]
    states: dict[int, SubscriptionState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateEnvironment:
    """Since when its record of what runs is declared complete, and until when a missing record is reported only."""

    known: bool
    records_complete_since: datetime | None
    records_enforced_from: datetime | None
    is_fleet: bool


@dataclass(frozen=True, slots=True)
class GateStore:
    """The store in which an instance runs. None is not stated."""

    banner: str | None
    region: str | None
    channel: str | None
    zone: str | None


_APPLICATION = """
select a.id is not null,
       a.team_id,
       coalesce(t.key, ''),
       exists (select from catalog_api p where p.owner_team_id = a.team_id and p.retired_at is null),
       array(select r.api_id from catalog_providerright r where r.application_id = a.id and r.ended_at is null),
       e.id is not null, e.records_complete_since, e.records_enforced_from, coalesce(e.is_fleet, false),
       s.version_id, s.state, s.valid_from, s.valid_until
  from (select 1) one
  left join catalog_application a on a.key = %(application)s and a.retired_at is null
  left join catalog_team t on t.group_id = a.team_id
  left join catalog_environment e on e.key = %(environment)s
  left join catalog_subscription s
    on s.application_id = a.id and s.environment_id = e.id and s.version_id = any(%(versions)s)
"""


def who_asks(
    application_key: str, version_ids: Iterable[int], environment: str, at: datetime
) -> tuple[GateApplication, GateEnvironment]:
    """The application with the subscription's state for every version (`none` without a row), and the environment."""
    ids = list(version_ids)
    parameters = {"application": application_key, "environment": environment, "versions": ids}
    rows = prepared_queries.rows(_APPLICATION, parameters)
    found: dict[int, list[SubscriptionRow]] = {}
    for row in rows:
        if row[9] is not None:
            found.setdefault(row[9], []).append((row[10], row[11], row[12]))
    known, team_id, team_key, owns, granted, *there = rows[0][:9]
    states = {version: state_at(found.get(version, []), at) for version in ids}
    asking = GateApplication(known, team_id, team_key, owns or bool(granted), frozenset(granted), states)
    return asking, GateEnvironment(*there)


_STORE = """
select b.key, r.key, c.key, nullif(s.zone, '')
  from catalog_retailstore s
  left join catalog_scopevalue b on b.id = s.banner_id
  left join catalog_scopevalue r on r.id = s.region_id
  left join catalog_scopevalue c on c.id = s.channel_id
 where s.key = %s and s.retired_at is null
"""


def store(instance: str) -> GateStore | None:
    """The store of this key; None where there is none."""
    rows = prepared_queries.rows(_STORE, [instance])
    return GateStore(*rows[0]) if rows else None


@dataclass(frozen=True, slots=True)
class RecentUse:
    """Calls of an application to a version in the last days."""

    calls: int
    last_day: date
    sunset_at: datetime | None
    known: bool


_CALLED = """
select coalesce(p.slug || '@' || v.label, 'version ' || u.version_id), sum(u.calls)::bigint, max(u.day), v.sunset_at,
       p.id is not null
  from catalog_usageday u
  join catalog_application a on a.id = u.application_id
  join catalog_environment e on e.id = u.environment_id
  left join catalog_apiversion v on v.id = u.version_id
  left join catalog_api p on p.id = v.api_id
 where a.key = %s and e.key = %s and u.day >= current_date - %s::int
 group by 1, 4, 5
having sum(u.calls) > 0
"""
RECENT_DAYS = 7


def called(application_key: str, environment: str) -> dict[str, RecentUse]:
    """What it called in the last days, by reference."""
    rows = prepared_queries.rows(_CALLED, [application_key, environment, RECENT_DAYS])
    return {reference: RecentUse(*use) for reference, *use in rows}


_NEAR = {
    "application": "select key from catalog_application where retired_at is null "
    "order by similarity(key, %s) desc, key limit 3",
    "environment": "select key from catalog_environment order by similarity(key, %s) desc, key limit 3",
    "version": "select p.slug || '@' || v.label from catalog_apiversion v join catalog_api p on p.id = v.api_id "
    "where p.visibility = 'internal' and v.state in ('published', 'deprecated', 'approved') and p.slug %% %s "
    "order by similarity(p.slug || '@' || v.label, %s) desc, 1 limit 3",
}


def near(kind: str, word: str) -> list[str]:
    """What is written alike, best first: for telling a person who mistyped. Restricted APIs are never named."""
    text = word.replace("\x00", "")
    asked = [text.partition("@")[0], text] if kind == "version" else [text]
    return [row[0] for row in prepared_queries.rows(_NEAR[kind], asked)]
