"""What the gate reads for each answer: the versions that are named, with what their APIs need and who uses them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from catalog.domain.facts import VersionFacts
from catalog.selectors.versions import split_reference
from kernel import prepared_queries
from kernel.viewer import Viewer

_VERSIONS = """
select v.id, a.slug || '@' || v.label, v.api_id, a.slug, a.name, v.label, v.state, v.contract_id, t.level,
       a.data_class, a.owner_team_id, coalesce(o.key, ''), coalesce(d.key, ''), d.owner_team_id, a.layer, a.style,
       coalesce(s.key, ''), v.deprecated_at, v.sunset_at, coalesce(sa.slug || '@' || sv.label, ''), v.published_at,
       v.origin, v.approval_id, a.enforced_from, coalesce(a.third_party, s.third_party), a.per_instance,
       case when jsonb_typeof(t.rules) = 'object' then coalesce(t.rules ->> 'pins', 'advised') else '' end
  from unnest(%s::text[], %s::text[]) as asked (slug, label)
  join catalog_api a on a.slug = asked.slug
  join catalog_apiversion v on v.api_id = a.id and v.label = asked.label
  left join catalog_slatier t on t.id = a.tier_id
  left join catalog_team o on o.group_id = a.owner_team_id
  left join catalog_domain d on d.id = a.domain_id
  left join catalog_system s on s.id = a.system_id
  left join catalog_apiversion sv on sv.id = v.successor_id
  left join catalog_api sa on sa.id = sv.api_id
"""


def versions(references: Iterable[str]) -> dict[str, VersionFacts]:
    """The named versions as facts, without their entities and without what only pages need. Unknown references are
    missing."""
    wanted = [split_reference(reference) for reference in set(references) if "\x00" not in reference]
    rows = prepared_queries.rows(_VERSIONS, [[slug for slug, _ in wanted], [label for _, label in wanted]])
    return {
        row[1]: VersionFacts(
            id=row[0],
            reference=row[1],
            api_id=row[2],
            api_slug=row[3],
            api_name=row[4],
            label=row[5],
            state=row[6],
            contract_digest=row[7],
            contract_format="",
            tier=row[8],
            data_class=row[9],
            owner_team_id=row[10],
            owner_team_key=row[11],
            domain_key=row[12],
            domain_owner_team_id=row[13],
            layer=row[14],
            style=row[15],
            system_key=row[16],
            entities=(),
            deprecated_at=row[17],
            sunset_at=row[18],
            successor_reference=row[19],
            migration_guide="",
            published_at=row[20],
            origin=row[21],
            approval_id=row[22],
            enforced_from=row[23],
            third_party=row[24],
            per_instance=row[25],
            pins=row[26],
        )
        for row in rows
    }


_HIDDEN = """
select a.slug from catalog_api a left join catalog_apisearch s on s.api_id = a.id
 where a.slug = any(%s::text[]) and (s.api_id is null or s.restricted and not s.team_ids && %s::int[])
"""


def hidden_apis(slugs: Iterable[str], viewer: Viewer) -> set[str]:
    """Those of the named APIs that the viewer may not see, by the rule of `catalog.permissions.seen_by`."""
    if viewer.sees_everything:
        return set()
    wanted = sorted({slug for slug in slugs if "\x00" not in slug})
    return {slug for (slug,) in prepared_queries.rows(_HIDDEN, [wanted, sorted(viewer.team_ids)])}


_HIDDEN_CONTRACTS = """
with found as (
  select v.contract_id as digest, v.api_id, v.state = 'draft' as draft
    from catalog_apiversion v
   where v.contract_id = any(%(digests)s::text[])
   union all
  select r.contract_id, v.api_id, false
    from catalog_contractrevision r
    join catalog_apiversion v on v.id = r.version_id
   where r.contract_id = any(%(digests)s::text[]))
select f.digest
  from found f
  join catalog_api a on a.id = f.api_id
  left join catalog_apisearch s on s.api_id = f.api_id
 group by 1
having not coalesce(bool_or((not s.restricted or s.team_ids && %(teams)s::int[])
                            and (not f.draft or a.owner_team_id = any(%(teams)s::int[]))), false)
"""


def hidden_contracts(digests: Iterable[str], viewer: Viewer) -> frozenset[str]:
    """Those of these contracts that only APIs and drafts have which the viewer may not see. A contract that no version
    has any more is what somebody was built against, and not hidden."""
    wanted = sorted(set(digests))
    if viewer.sees_everything or not wanted:
        return frozenset()
    asked = {"digests": wanted, "teams": sorted(viewer.team_ids)}
    return frozenset(row[0] for row in prepared_queries.rows(_HIDDEN_CONTRACTS, asked))


@dataclass(frozen=True, slots=True)
class DeclaredNeed:
    """An API that another one is declared to need. `hard` False: it answers degraded without it."""

    slug: str
    tier: int | None
    hard: bool


_NEEDS = """
select d.api_id, coalesce(t.slug, 'API ' || d.target_api_id), ti.level, d.criticality is distinct from 'soft'
  from catalog_dependency d
  left join catalog_api t on t.id = d.target_api_id
  left join catalog_slatier ti on ti.id = t.tier_id
 where d.api_id = any(%(apis)s) and d.target_api_id is not null
 order by 2
"""
_NEEDS_COUNTED = """
select asked.id
  from unnest(%(apis)s::bigint[]) asked (id)
 where (select count(*) from catalog_dependency d where d.api_id = asked.id)
       = coalesce((select t.found from catalog_evidencetally t where t.kind = 'dependency' and t.thing = asked.id), 0)
"""


def needs(api_ids: Iterable[int]) -> dict[int, list[DeclaredNeed] | None]:
    """The APIs that each of these is declared to need; None where rows vanished."""
    asked = {"apis": list(api_ids)}
    found: dict[int, list[DeclaredNeed] | None] = dict.fromkeys(asked["apis"])
    for (api_id,) in prepared_queries.rows(_NEEDS_COUNTED, asked):
        found[api_id] = []
    for api_id, slug, tier, hard in prepared_queries.rows(_NEEDS, asked):
        listed = found[api_id]
        if listed is not None:
            listed.append(DeclaredNeed(slug, tier, hard))
    return found


_LIVE = """
with asked as (select id from catalog_environment where key = %(environment)s),
wanted as (select id from unnest(%(versions)s::bigint[]) wanted (id)),
agreed as (
  select s.version_id, s.application_id, s.last_seen_at,
         s.state not in ('refused', 'ended')  -- of a state that nobody knows the consumer counts
         and (s.state <> 'active' or s.valid_until is null or s.valid_until > clock_timestamp()) as live
    from catalog_subscription s
   where s.version_id = any(%(versions)s)
     and s.environment_id = (select id from asked)),
called as (
  select u.version_id, u.application_id, max(u.last_seen_at) as last_seen_at, sum(u.calls) as calls, count(*) as days
    from catalog_usageday u
   where u.version_id = any(%(versions)s)
     and u.environment_id = (select id from asked)
     and u.day >= current_date - 30
   group by 1, 2),
used as (
  select version_id, application_id, last_seen_at from agreed where live
   union all
  select version_id, application_id, last_seen_at from called where calls > 0)
select u.version_id,
       -- One by one: with a join the server may read all applications for the few that use these versions.
       coalesce((select a.key from catalog_application a where a.id = u.application_id),
                'application ' || u.application_id),
       u.last_seen_at
  from (select version_id, application_id, max(last_seen_at) as last_seen_at from used group by 1, 2) u
 union all
select w.id, null, null
  from wanted w
 where (select count(*) from agreed where version_id = w.id)
       <> coalesce((select t.found from catalog_evidencetally t
                     where t.kind = 'subscription' and t.thing = w.id and t.environment = (select id from asked)), 0)
    or (select coalesce(sum(days), 0) from called where version_id = w.id)
       <> coalesce((select sum(t.found) from catalog_evidencetally t
                     where t.kind = 'usage' and t.thing = w.id and t.environment = (select id from asked)
                       and t.day >= current_date - 30), 0)
"""
LiveConsumers = dict[str, datetime | None]


def live_consumers(version_ids: Iterable[int], environment: str) -> dict[int, LiveConsumers | None]:
    """By version, who would notice its end and when it was seen last: an active or requested subscription, or calls in
    the last 30 days. The same as `consumers.live_of_version`, in one lean statement for all of them. None where rows
    vanished, so that nobody knows all of them."""
    found: dict[int, LiveConsumers | None] = {version_id: {} for version_id in version_ids}
    vanished = set()
    for version_id, key, seen in prepared_queries.rows(_LIVE, {"versions": list(found), "environment": environment}):
        listed = found[version_id]
        if key is None or listed is None:
            vanished.add(version_id)
        else:
            listed[key] = seen
    return found | dict.fromkeys(vanished)
