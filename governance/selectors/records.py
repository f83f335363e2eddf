"""What runs where, as the gate reads it: records of releases, checked against the count of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import CharField, Func

from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class RanContract:
    """A version as it runs with another contract than it has now; the digest is None where nobody knows it."""

    reference: str
    digest: str | None

    @classmethod
    def of(cls, name: str) -> RanContract:
        """`name` is what `ProviderPlaces` lists: the reference, then a space and the digest where it is another one."""
        reference, _, digest = name.partition(" ")
        return cls(reference, digest or None)

    def told(self) -> str:
        return f"{self.reference} with {f'the contract {self.digest[:19]}' if self.digest else 'an unknown contract'}"


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """Live records of one application in one environment.

    `sound` False: rows vanished or were rewritten, so that nothing follows from them. `here` counts the records that a
    deployment on the instance of the question would stand beside or replace; `replaced` is what those provide that it
    would replace, `beside` what stays supported; `consumes` what any of its records consumes, `staying` what those
    consume that it would not replace, `staying_here` those of them that run where the question goes to; `instances`
    where they run, but for those that belong to none; `other_contracts` what runs with another contract than its
    version has now.
    What was taken away against the gate a short time ago counts as replaced.
    """

    sound: bool
    here: int
    replaced: frozenset[str]
    beside: frozenset[str]
    consumes: frozenset[str]
    instances: frozenset[str] = frozenset()
    other_contracts: tuple[RanContract, ...] = ()
    staying: frozenset[str] = frozenset()
    staying_here: frozenset[str] = frozenset()


class NormalForm(Func):
    """A name in Unicode's normal form C, in which the gate asks; rows of before may hold another one."""

    template = "normalize(%(expressions)s, nfc)"
    output_field = CharField()


NO_STORE = """r.instance <> '' and exists (
  select from catalog_environment e
   where e.key = %(environment)s and e.is_fleet
     and not exists (select from catalog_retailstore s where s.key = r.instance))"""
"""In a fleet, what is recorded on something that is no store runs nobody knows where: it counts as here."""
_RAN = """
case when p.contract is not null then nullif(p.contract, '')
     when r.recorded_at >= coalesce(v.published_at, v.created_at) then coalesce(
       (select c.replaces_id from catalog_contractrevision c
         where c.version_id = v.id and c.adopted_at > r.recorded_at
         order by c.adopted_at limit 1), v.contract_id) end"""
"""The contract that a record runs: as it says; in records of before, that of the version then. Null: nobody knows."""
_MAY = """
exists (select from catalog_application holder
         where holder.key = r.application and holder.retired_at is null
           and (holder.team_id = a.owner_team_id or exists (
                 select from catalog_providerright g
                  where g.application_id = holder.id and g.api_id = a.id and g.ended_at is null)))"""
"""Whether the application of a record has the right to provide: without it the record proves no provider."""
_AGREES = """
array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p) <@ r.provided_apis
and r.provided_apis <@ array(select split_part(p, '@', 1)::varchar from unnest(r.provides) p)"""
REMEMBERED = "1 day"
"""For how long what was taken away against the gate still counts as running in its questions."""

_OWN = f"""
with mine as (
  select r.*, {_AGREES} as agrees
    from governance_applicationrelease r
   where r.application = %(application)s and r.environment = %(environment)s and r.ended_at is null),
found as (
  select mine.* from mine
   union all
  select r.*, true
    from governance_applicationrelease r
   where r.application = %(application)s
     and r.environment = %(environment)s
     and r.ended_against_gate
     and r.ended_at > clock_timestamp() - interval '{REMEMBERED}'
     and not exists (select from mine
                      where mine.provided_apis @> r.provided_apis
                        and normalize(mine.instance, nfc) in ('', normalize(r.instance, nfc))))
select case when r.ended_at is null then r.mode else 'deployed' end,
       normalize(r.instance, nfc) = %(instance)s or %(instance)s = '' or {NO_STORE},
       r.provides, r.consumes, count(*) filter (where r.ended_at is null), count(*),
       array_agg(distinct normalize(r.instance, nfc)), bool_and(r.agrees),
       (select t.live from governance_releasetally t
         where t.environment = %(environment)s and t.kind = 'application' and t.name = %(application)s),
       array(select p.name || ' ' || coalesce({_RAN}, '')
               from unnest(r.provides, r.provided_contracts) p (name, contract)
               join catalog_api a on a.slug = split_part(p.name, '@', 1)
               join catalog_apiversion v on v.api_id = a.id and v.label = split_part(p.name, '@', 2)
              where ({_RAN}) is distinct from v.contract_id)
  from (select 1) one
  left join found r on true
 group by 1, 2, 3, 4, 10
"""  # noqa: S608 - our own fragments


def own(application: str, environment: str, instance: str) -> OwnRecords:
    """The records of the application that asks. An empty instance means all of them."""
    parameters = {"application": application, "environment": environment, "instance": instance}
    rows = prepared_queries.rows(_OWN, parameters)
    records = [row for row in rows if row[2] is not None]
    counted = sum(row[4] for row in records)
    replaced: set[str] = set()
    beside: set[str] = set()
    consumes: set[str] = set()
    instances: set[str] = set()
    earlier: set[str] = set()
    staying: set[str] = set()
    staying_here: set[str] = set()
    here = 0
    for mode, is_here, provides, used, live, number, places, _, _, others in records:
        if live:
            consumes.update(used)
            instances.update(place for place in places if place)
            if mode == "released" or not is_here:
                staying.update(used)
                staying_here.update(used if is_here or "" in places else ())
        if mode == "released":
            beside.update(provides)
        elif is_here:
            replaced.update(provides)
        else:
            continue
        here += number
        earlier.update(others)
    return OwnRecords(
        sound=counted == (rows[0][8] or 0) and all(row[7] for row in records),
        here=here,
        replaced=frozenset(replaced),
        beside=frozenset(beside),
        consumes=frozenset(consumes),
        instances=frozenset(instances),
        other_contracts=tuple(RanContract.of(name) for name in sorted(earlier)),
        staying=frozenset(staying),
        staying_here=frozenset(staying_here),
    )


@dataclass(frozen=True, slots=True)
class ProviderPlaces:
    """Where an API is provided in an environment: by instance of the question, centrally, and elsewhere; each place
    with the versions of the API that run there, followed by a space and the digest where one runs with another contract
    than it has now. Only who may provide counts. `instances` names those elsewhere. `sound` as in `OwnRecords`."""

    sound: bool = True
    instances: frozenset[str] = frozenset()
    here: tuple[frozenset[str], ...] = ()
    central: tuple[frozenset[str], ...] = ()
    elsewhere: tuple[frozenset[str], ...] = field(default=())


_PLACES = f"""
with records as (
  select r.id, r.application, normalize(r.instance, nfc) as instance, r.provides, r.provided_contracts,
         r.provided_apis, r.recorded_at, {_AGREES} as same,
         r.application = %(application)s and r.mode = 'deployed'
         and (normalize(r.instance, nfc) = %(instance)s or %(instance)s = '' or {NO_STORE}) as replaced
    from governance_applicationrelease r
   where r.environment = %(environment)s
     and r.ended_at is null
     and r.provided_apis && %(apis)s::varchar[]),
served as (
  select a.slug as api, r.instance, array_agg(distinct p.name || case
           when v.id is null or r.replaced or ({_RAN}) is not distinct from v.contract_id then ''
           else ' ' || coalesce({_RAN}, '') end) as versions
    from records r
   cross join lateral (
         select * from unnest(r.provides, r.provided_contracts) where not r.replaced
          union all
         select asked.name, null from unnest(%(provides)s::varchar[]) asked (name) where r.replaced
         ) p (name, contract)
    join catalog_api a on a.slug = split_part(p.name, '@', 1)
    left join catalog_apiversion v on v.api_id = a.id and v.label = split_part(p.name, '@', 2)
   where a.slug = any(%(apis)s) and a.slug = any(r.provided_apis) and {_MAY}
   group by 1, 2)
select s.api, case when s.instance = '' then 'central' when s.instance = %(instance)s then 'here' else 'elsewhere' end,
       s.versions, array_agg(s.instance), null::bigint, null::int, null::bool
  from served s
 group by 1, 2, 3
 union all
select asked.api, 'count', null, null, count(r.id), coalesce(max(t.live), 0), bool_and(coalesce(r.same, true))
  from unnest(%(apis)s::varchar[]) asked (api)
  left join records r on asked.api = any(r.provided_apis)
  left join governance_releasetally t
    on t.environment = %(environment)s and t.kind = 'api' and t.name = asked.api
 group by 1
"""  # noqa: S608 - our own fragments


def places(
    apis: Iterable[str], environment: str, instance: str, *, application: str, provides: Iterable[str]
) -> dict[str, ProviderPlaces]:
    """Who runs these APIs there once the question has gone live, by API: what it replaces of its application runs no
    more, and in its place what it `provides` of the same APIs does."""
    wanted = sorted(set(apis))
    if not wanted:
        return {}
    asked = {"apis": wanted, "environment": environment, "instance": instance, "application": application}
    rows = prepared_queries.rows(_PLACES, {**asked, "provides": sorted(provides)})
    sound = {row[0]: row[4] == row[5] and row[6] for row in rows if row[1] == "count"}
    found: dict[str, dict[str, list[frozenset[str]]]] = {api: {} for api in wanted}
    named: dict[str, set[str]] = {api: set() for api in wanted}
    for api, place, versions, instances, *_ in rows:
        if place != "count":
            found[api].setdefault(place, []).append(frozenset(versions))
            named[api].update(instances if place == "elsewhere" else ())
    return {
        api: ProviderPlaces(
            sound.get(api, False), frozenset(named[api]), **{place: tuple(sets) for place, sets in by_place.items()}
        )
        for api, by_place in found.items()
    }


_STILL = f"""
select distinct p.name
  from governance_applicationrelease r
 cross join unnest(r.provides, r.provided_contracts) p (name, contract)
  join catalog_api a on a.slug = split_part(p.name, '@', 1)
  join catalog_apiversion v on v.api_id = a.id and v.label = split_part(p.name, '@', 2)
 where r.environment = %(environment)s
   and r.ended_at is null
   and r.provides && %(versions)s::varchar[]
   and p.name = any(%(versions)s)
   and (r.application <> %(application)s or r.mode = 'released')
   and ({_RAN}) is not distinct from v.contract_id
   and {_MAY}
   and (a.slug = any(%(anywhere)s)
        or normalize(r.instance, nfc) = %(instance)s and r.instance <> ''
        or r.instance = '' and (a.slug <> all(%(each)s) or %(instance)s = '' and not exists (
             select from governance_applicationrelease own
              where own.application = %(application)s and own.environment = %(environment)s and own.ended_at is null
                and own.mode <> 'released' and own.instance <> '' and p.name = any(own.provides))))
"""  # noqa: S608 - our own fragments


def still_provided(
    versions: Iterable[str],
    *,
    beside: str,
    environment: str,
    instance: str,
    anywhere: Iterable[str],
    each: Iterable[str],
) -> set[str]:
    """Which of these versions others (or a release that stays supported) provide there as well. `anywhere` names the
    APIs of which one provider serves all instances, `each` those of which each instance has one of its own: no central
    one stands in for what leaves an instance."""
    asked = {
        "versions": sorted(versions),
        "application": beside,
        "environment": environment,
        "instance": instance,
        "anywhere": sorted(anywhere),
        "each": sorted(each),
    }
    return {row[0] for row in prepared_queries.rows(_STILL, asked)}


def instances_in(environment: str) -> frozenset[str]:
    """Where anything at all is recorded to run in an environment."""
    statement = """
        select distinct normalize(instance, nfc) from governance_applicationrelease
         where environment = %s and ended_at is null and instance <> ''
    """
    return frozenset(row[0] for row in prepared_queries.rows(statement, [environment]))


def live_in(environment: str) -> int:
    """How many live records there are in an environment."""
    statement = "select count(*) from governance_applicationrelease where environment = %s and ended_at is null"
    return int(prepared_queries.rows(statement, [environment])[0][0])
