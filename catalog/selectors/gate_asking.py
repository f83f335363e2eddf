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
    no team; `states` holds the subscription's state by version id. `may_provide`: its team owns an API, or it
    has, or once had, the right to provide one."""

    known: bool
    team_id: int | None
    team_key: str
    may_provide: bool
    granted_apis: frozenset[int]
    agent_purpose: str | None = None
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
       exists (select from catalog_providerright r where r.application_id = a.id),
       case when a.agent_account_id is not null then a.agent_purpose end,
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
        if row[11] is not None:
            found.setdefault(row[11], []).append((row[12], row[13], row[14]))
    known, team_id, team_key, owns, granted, had_rights, agent, *there = rows[0][:11]
    states = {version: state_at(found.get(version, []), at) for version in ids}
    asking = GateApplication(known, team_id, team_key, owns or had_rights, frozenset(granted), agent, states)
    return asking, GateEnvironment(*there)


_MOVE = """
select exists (select from catalog_subscription s
                 join catalog_application a on a.id = s.application_id
                where a.key = %(application)s
                  and (s.valid_from between %(start)s and %(end)s or s.valid_until between %(start)s and %(end)s))
"""


def subscriptions_move(application_key: str, between: tuple[datetime, datetime]) -> bool:
    """Whether a subscription of the application begins or ends in that time."""
    asked = {"application": application_key, "start": between[0], "end": between[1]}
    return bool(prepared_queries.rows(_MOVE, asked)[0][0])


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


def was_store(key: str) -> bool:
    """Whether there was a store of this key that has been retired."""
    statement = "select exists (select from catalog_retailstore where key = %s and retired_at is not null)"
    return bool(prepared_queries.rows(statement, [key])[0][0])


_STORES = """
select array(select key::text from catalog_retailstore where retired_at is null),
       (select count(*) from catalog_retailstore)
       = coalesce((select t.found from catalog_evidencetally t
                    where t.kind = 'store' and t.thing = 0 and t.environment = 0 and t.day = date '0001-01-01'), 0)
"""


def stores() -> frozenset[str] | None:
    """The key of every store; None where rows vanished."""
    keys, counted = prepared_queries.rows(_STORES, [])[0]
    return frozenset(keys) if counted else None


@dataclass(frozen=True, slots=True)
class RecentUse:
    """Calls of an application to a version in the last days."""

    calls: int
    last_day: date
    sunset_at: datetime | None
    known: bool


_CALLED = """
with asked as (select a.id as application, e.id as environment
                 from catalog_application a, catalog_environment e
                where a.key = %(application)s and e.key = %(environment)s),
called as (
  select u.version_id, sum(u.calls)::bigint as calls, max(u.day) as last_day, count(*) as days
    from catalog_usageday u join asked on asked.application = u.application_id and asked.environment = u.environment_id
   where u.day >= current_date - %(days)s::int
   group by 1)
select coalesce(p.slug || '@' || v.label, 'version ' || c.version_id), c.calls, c.last_day, v.sunset_at,
       p.id is not null
  from called c
  left join catalog_apiversion v on v.id = c.version_id
  left join catalog_api p on p.id = v.api_id
 where c.calls > 0
 union all
select null, null, null, null, null
  from asked
 where (select coalesce(sum(days), 0) from called)
       <> coalesce((select sum(t.found) from catalog_evidencetally t
                     where t.kind = 'calls' and t.thing = asked.application and t.environment = asked.environment
                       and t.day >= current_date - %(days)s::int), 0)
"""
RECENT_DAYS = 7


def called(application_key: str, environment: str) -> dict[str, RecentUse] | None:
    """What it called in the last days, by reference; None where reports vanished."""
    asked = {"application": application_key, "environment": environment, "days": RECENT_DAYS}
    rows = prepared_queries.rows(_CALLED, asked)
    if any(row[0] is None for row in rows):
        return None
    return {reference: RecentUse(*use) for reference, *use in rows}


# By an index, so that of many thousands of names only those that are most alike are read. Of a row of equals the index
# gives any: a few more are read, and put in order.
_NEAR_KEY = """
select key
  from (select key from {table} where retired_at is null order by key <-> %s limit 12) alike
 order by similarity(key, %s) desc, key
 limit 3"""
_NEAR = {
    "instance": _NEAR_KEY.format(table="catalog_retailstore"),
    "application": _NEAR_KEY.format(table="catalog_application"),
    "environment": "select key from catalog_environment order by similarity(key, %s) desc, key limit 3",
}
_NEAR_VERSIONS = """
select asked.reference, array(
       select p.slug || '@' || v.label
         from (select id, slug from catalog_api where visibility = 'internal' order by slug <-> asked.slug limit 12) p
         join catalog_apiversion v on v.api_id = p.id and v.state in ('published', 'deprecated', 'approved')
        where p.slug %% asked.slug
        order by similarity(p.slug || '@' || v.label, asked.reference) desc, 1
        limit 3)
  from unnest(%s::text[], %s::text[]) asked (slug, reference)
"""


def near(kind: str, word: str) -> list[str]:
    """What is written alike, best first: for telling a person who mistyped. Restricted APIs are never named."""
    if kind == "version":
        return near_versions([word])[word]
    text = word.replace("\x00", "")
    asked = [text] if kind == "environment" else [text, text]
    return [row[0] for row in prepared_queries.rows(_NEAR[kind], asked)]


def near_versions(references: Iterable[str]) -> dict[str, list[str]]:
    """The same of versions, in one statement."""
    wanted = {reference: reference.replace("\x00", "") for reference in references}
    texts = sorted(set(wanted.values()))
    rows = prepared_queries.rows(_NEAR_VERSIONS, [[text.partition("@")[0] for text in texts], texts]) if texts else []
    found = dict(rows)
    return {reference: found[text] for reference, text in wanted.items()}
