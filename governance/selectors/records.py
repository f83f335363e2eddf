"""What runs where, as the gate reads it: records of releases, checked against the count of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """Live records of one application in one environment.

    `sound` False: rows vanished or were rewritten, so that nothing follows from them. `here` counts the records that a
    deployment on the instance of the question would stand beside or replace; `replaced` is what those provide that it
    would replace, `beside` what stays supported; `consumes` what any of its records consumes.
    """

    sound: bool
    here: int
    replaced: frozenset[str]
    beside: frozenset[str]
    consumes: frozenset[str]


_OWN = """
select r.mode, r.instance = %(instance)s or %(instance)s = '' as here, r.provides, r.consumes, count(*),
       bool_and(array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p) <@ r.provided_apis
                and r.provided_apis <@ array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p)),
       (select t.live from governance_releasetally t
         where t.environment = %(environment)s and t.kind = 'application' and t.name = %(application)s)
  from (select 1) one
  left join governance_applicationrelease r
    on r.application = %(application)s and r.environment = %(environment)s and r.ended_at is null
 group by 1, 2, 3, 4
"""


def own(application: str, environment: str, instance: str) -> OwnRecords:
    """The records of the application that asks. An empty instance means all of them."""
    parameters = {"application": application, "environment": environment, "instance": instance}
    rows = prepared_queries.rows(_OWN, parameters)
    records = [row for row in rows if row[0] is not None]
    counted = sum(row[4] for row in records)
    replaced: set[str] = set()
    beside: set[str] = set()
    consumes: set[str] = set()
    here = 0
    for mode, is_here, provides, used, number, _, _ in records:
        consumes.update(used)
        if mode == "released":
            beside.update(provides)
            here += number
        elif is_here:
            replaced.update(provides)
            here += number
    return OwnRecords(
        sound=counted == (rows[0][6] or 0) and all(row[5] for row in records),
        here=here,
        replaced=frozenset(replaced),
        beside=frozenset(beside),
        consumes=frozenset(consumes),
    )


@dataclass(frozen=True, slots=True)
class ProviderPlaces:
    """Where an API is provided in an environment: by instance of the question, centrally, and elsewhere; each place
    with the versions of the API that run there. `sound` as in `OwnRecords`."""

    sound: bool = True
    here: tuple[frozenset[str], ...] = ()
    central: tuple[frozenset[str], ...] = ()
    elsewhere: tuple[frozenset[str], ...] = field(default=())


_PLACES = """
with records as (
  select r.id, r.instance, r.provides, r.provided_apis,
         array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p) <@ r.provided_apis
         and r.provided_apis <@ array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p) as same
    from governance_applicationrelease r
   where r.environment = %(environment)s
     and r.ended_at is null
     and r.provided_apis && %(apis)s::varchar[]),
served as (
  select a.api, r.instance, array_agg(distinct p.name order by p.name) as versions
    from records r
   cross join unnest(r.provided_apis) a (api)
   cross join unnest(r.provides) p (name)
   where a.api = any(%(apis)s) and split_part(p.name, '@', 1) = a.api
   group by 1, 2)
select s.api, case when s.instance = '' then 'central' when s.instance = %(instance)s then 'here' else 'elsewhere' end,
       s.versions, null::bigint, null::int, null::bool
  from served s
 group by 1, 2, 3
 union all
select asked.api, 'count', null, count(r.id), coalesce(max(t.live), 0), bool_and(coalesce(r.same, true))
  from unnest(%(apis)s::varchar[]) asked (api)
  left join records r on asked.api = any(r.provided_apis)
  left join governance_releasetally t
    on t.environment = %(environment)s and t.kind = 'api' and t.name = asked.api
 group by 1
"""


def places(apis: Iterable[str], environment: str, instance: str) -> dict[str, ProviderPlaces]:
    """Who runs these APIs there, by API."""
    wanted = sorted(set(apis))
    if not wanted:
        return {}
    rows = prepared_queries.rows(_PLACES, {"apis": wanted, "environment": environment, "instance": instance})
    sound = {row[0]: row[3] == row[4] and row[5] for row in rows if row[1] == "count"}
    found: dict[str, dict[str, list[frozenset[str]]]] = {api: {} for api in wanted}
    for api, place, versions, *_ in rows:
        if place != "count":
            found[api].setdefault(place, []).append(frozenset(versions))
    return {
        api: ProviderPlaces(sound.get(api, False), **{place: tuple(sets) for place, sets in by_place.items()})
        for api, by_place in found.items()
    }


_STILL = """
select distinct p.name
  from governance_applicationrelease r
 cross join unnest(r.provides) p (name)
 where r.environment = %(environment)s
   and r.ended_at is null
   and r.provides && %(versions)s::varchar[]
   and p.name = any(%(versions)s)
   and (r.application <> %(application)s or r.mode = 'released')
   and (r.instance = '' or r.instance = %(instance)s or split_part(p.name, '@', 1) = any(%(anywhere)s))
"""


def still_provided(
    versions: Iterable[str], *, beside: str, environment: str, instance: str, anywhere: Iterable[str]
) -> set[str]:
    """Which of these versions others (or a release that stays supported) provide there as well. `anywhere` names the
    APIs of which one provider serves all instances."""
    asked = {
        "versions": sorted(versions),
        "application": beside,
        "environment": environment,
        "instance": instance,
        "anywhere": sorted(anywhere),
    }
    return {row[0] for row in prepared_queries.rows(_STILL, asked)}


_CONSUMING = """
select r.application, p.name, bool_or(r.instance in ('', %(instance)s) or %(instance)s = '')
  from governance_applicationrelease r
 cross join unnest(r.consumes) p (name)
 where r.environment = %(environment)s
   and r.ended_at is null
   and r.consumes && %(versions)s::varchar[]
   and p.name = any(%(versions)s)
 group by 1, 2
"""


def consuming(versions: Iterable[str], environment: str, instance: str) -> dict[str, dict[str, bool]]:
    """By version, the applications whose live records consume it, and whether one of those runs on this instance."""
    wanted = sorted(set(versions))
    found: dict[str, dict[str, bool]] = {version: {} for version in wanted}
    if wanted:
        asked = {"versions": wanted, "environment": environment, "instance": instance}
        for application, version, here in prepared_queries.rows(_CONSUMING, asked):
            found[version][application] = here
    return found


def live_in(environment: str) -> int:
    """How many live records there are in an environment."""
    statement = "select count(*) from governance_applicationrelease where environment = %s and ended_at is null"
    return int(prepared_queries.rows(statement, [environment])[0][0])
