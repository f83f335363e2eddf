"""Which APIs need which APIs and systems."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from catalog import permissions
from catalog.domain.facts import DependencyFacts
from catalog.models import Api, ApiVersion, Dependency, System
from kernel.viewer import Viewer


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


def seen(viewer: Viewer) -> QuerySet[Dependency]:
    """The statements of which the viewer may see both ends."""
    if viewer.sees_everything:
        return _rows()
    apis = permissions.visible(viewer).values("pk")
    return _rows().filter(Q(target_api=None) | Q(target_api__in=apis), api__in=apis)


def seen_of_api(slug: str, *, viewer: Viewer) -> list[DependencyFacts]:
    """What this API needs, as far as the viewer may see it."""
    return [_facts(row) for row in seen(viewer).filter(api__slug=slug)]


def names_to_tell(viewer: Viewer) -> QuerySet[Any, Any]:
    """What may be named as needed: visible APIs, and systems that have no key in common with a hidden one."""
    visible = permissions.visible(viewer)
    hidden = Api.objects.exclude(pk__in=visible.values("pk")).values("slug")
    systems = System.objects.exclude(key__in=hidden).values_list("key", flat=True)
    return visible.values_list("slug", flat=True).union(systems)


def of_api(slug: str) -> list[DependencyFacts]:
    """What this API needs: the whole truth, for rules, never for a page."""
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
