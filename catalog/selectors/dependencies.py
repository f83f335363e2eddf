"""Which APIs need which APIs and systems."""

from __future__ import annotations

from django.db import connection
from django.db.models import QuerySet

from catalog.domain.facts import DependencyFacts
from catalog.models import ApiVersion, Dependency


def _rows() -> QuerySet[Dependency]:
    return Dependency.objects.select_related("api__tier", "target_api__tier", "target_system")


def _facts(row: Dependency) -> DependencyFacts:
    target_api, target_system = row.target_api, row.target_system
    return DependencyFacts(
        api_slug=row.api.slug,
        api_name=row.api.name,
        api_tier=row.api.tier.level if row.api.tier else None,
        api_layer=row.api.layer,
        target_kind="api" if target_api else "system",
        target_key=target_api.slug if target_api else (target_system.key if target_system else ""),
        target_name=target_api.name if target_api else (target_system.name if target_system else ""),
        target_tier=target_api.tier.level if target_api and target_api.tier else None,
        target_layer=target_api.layer if target_api else "",
        criticality=row.criticality,
        degraded_mode=row.degraded_mode,
    )


def of_api(slug: str) -> list[DependencyFacts]:
    """What this API needs."""
    return [_facts(row) for row in _rows().filter(api__slug=slug)]


def dependents_of_api(slug: str) -> list[DependencyFacts]:
    """Which APIs need this one directly."""
    return [_facts(row) for row in _rows().filter(target_api__slug=slug)]


_BREAKS = """
with recursive broken (api_id) as (
  select d.api_id
    from catalog_dependency d
    join catalog_api t on t.id = d.target_api_id
   where t.slug = %s
  union
  select d.api_id
    from catalog_dependency d
    join broken b on b.api_id = d.target_api_id)
select a.slug, a.name, ti.level
  from broken
  join catalog_api a on a.id = broken.api_id
  left join catalog_slatier ti on ti.id = a.tier_id
 where a.slug <> %s
 order by ti.level nulls last, a.name
"""


def breaks(slug: str) -> list[tuple[str, str, int | None]]:
    """(slug, name, tier) of everything that needs this API, through whatever number of steps; cycles end by
    themselves."""
    with connection.cursor() as cursor:
        cursor.execute(_BREAKS, [slug, slug])
        return cursor.fetchall()


def weaker_dependencies(version_id: int) -> list[DependencyFacts]:
    """Hard dependencies of the version's API on APIs whose tier is weaker (a higher number) or not stated at all."""
    slug = ApiVersion.objects.filter(pk=version_id).values_list("api__slug", flat=True).first()
    if slug is None:
        return []
    return [
        d
        for d in of_api(slug)
        if d.target_kind == "api"
        and d.criticality == "hard"
        and d.api_tier is not None
        and (d.target_tier is None or d.target_tier > d.api_tier)
    ]
