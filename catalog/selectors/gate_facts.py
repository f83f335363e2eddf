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
       coalesce(t.rules ->> 'pins', '')
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


@dataclass(frozen=True, slots=True)
class DeclaredNeed:
    """An API that another one is declared to need. `hard` False: it answers degraded without it."""

    slug: str
    tier: int | None
    hard: bool


_NEEDS = """
select d.api_id, t.slug, ti.level, d.criticality = 'hard'
  from catalog_dependency d
  join catalog_api t on t.id = d.target_api_id
  left join catalog_slatier ti on ti.id = t.tier_id
 where d.api_id = any(%s)
 order by t.slug
"""


def needs(api_ids: Iterable[int]) -> dict[int, list[DeclaredNeed]]:
    """The APIs that each of these is declared to need."""
    found: dict[int, list[DeclaredNeed]] = {api_id: [] for api_id in api_ids}
    for api_id, slug, tier, hard in prepared_queries.rows(_NEEDS, [list(found)]):
        found[api_id].append(DeclaredNeed(slug, tier, hard))
    return found


_LIVE = """
with asked as (select id from catalog_environment where key = %(environment)s),
used as (
  select s.version_id, s.application_id, s.last_seen_at
    from catalog_subscription s
   where s.version_id = any(%(versions)s)
     and s.environment_id = (select id from asked)
     and (s.state = 'requested'
          or s.state = 'active' and (s.valid_until is null or s.valid_until > clock_timestamp()))
   union all
  select u.version_id, u.application_id, max(u.last_seen_at)
    from catalog_usageday u
   where u.version_id = any(%(versions)s)
     and u.environment_id = (select id from asked)
     and u.day >= current_date - 30
   group by 1, 2
  having sum(u.calls) > 0)
select used.version_id, coalesce(a.key, 'application ' || used.application_id), max(used.last_seen_at)
  from used left join catalog_application a on a.id = used.application_id
 group by 1, 2
"""


def live_consumers(version_ids: Iterable[int], environment: str) -> dict[int, dict[str, datetime | None]]:
    """By version, who would notice its end and when it was seen last: an active or requested subscription, or calls in
    the last 30 days. The same as `consumers.live_of_version`, in one lean statement for all of them."""
    found: dict[int, dict[str, datetime | None]] = {version_id: {} for version_id in version_ids}
    for version_id, key, seen in prepared_queries.rows(_LIVE, {"versions": list(found), "environment": environment}):
        found[version_id][key] = seen
    return found
