"""The facts behind scorecards, for many APIs in one statement."""

from __future__ import annotations

from typing import Any

from django.db import connection

from catalog import permissions
from catalog.domain import scorecards
from catalog.domain.scorecards import Scorecard
from catalog.models import Campaign
from kernel.viewer import Viewer

_FACTS = """
select a.slug, a.name, a.purpose, coalesce(t.name, '') as owner, coalesce(t.key, '') as owner_key, ti.level as tier,
       a.data_class, a.if_it_fails,
       (select count(*) from catalog_apientity e where e.api_id = a.id) as entities,
       coalesce((select array_agg(distinct be.key)
                   from catalog_apientity e
                   join catalog_businessentity be on be.id = e.entity_id
                  where e.api_id = a.id
                    and not exists (
                      select 1
                        from catalog_boundary b
                       where b.entity_id = e.entity_id
                         and b.valid @> clock_timestamp()
                         and (b.attribute_group_id is null
                           or e.attribute_group_id is null
                           or b.attribute_group_id = e.attribute_group_id))), '{}') as entities_without_record,
       v.live_versions, v.unjudged, v.deprecated, v.deprecated_without_help, v.contract_problems, s.calls
  from catalog_api a
  left join catalog_team t on t.group_id = a.owner_team_id
  left join catalog_slatier ti on ti.id = a.tier_id
  left join catalog_apisearch s on s.api_id = a.id
  left join lateral (
    select count(*) filter (where v.state in ('published', 'deprecated')) as live_versions,
           count(*) filter (
             where v.state in ('published', 'deprecated') and v.origin = 'imported' and v.approval_id is null)
             as unjudged,
           count(*) filter (where v.state = 'deprecated') as deprecated,
           coalesce(
             array_agg(v.label) filter (
               where v.state = 'deprecated' and (v.successor_id is null or v.migration_guide = '')), '{}')
             as deprecated_without_help,
           coalesce(
             sum(jsonb_array_length(c.findings)) filter (where v.state in ('published', 'deprecated')), 0)
             as contract_problems
      from catalog_apiversion v
      left join catalog_contract c on c.digest = v.contract_id
     where v.api_id = a.id) v on true
 where a.id = any(%s)
 order by a.name
"""


def facts(api_ids: list[int]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, [api_ids])
        names = [c.name for c in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def of_api(api_id: int) -> Scorecard | None:
    found = facts([api_id])
    return scorecards.score(found[0]) if found else None


def of_apis(*, viewer: Viewer, team: str = "", limit: int = 500) -> list[tuple[dict[str, Any], Scorecard]]:
    """(facts, card) of the APIs that the viewer sees, of one team or all, by name."""
    rows = permissions.visible(viewer).filter(retired_at=None).order_by("name")
    if team:
        rows = rows.filter(owner_team__key=team)
    found = facts(list(rows.values_list("pk", flat=True)[:limit]))
    return [(f, scorecards.score(f)) for f in found]


def campaigns() -> list[Campaign]:
    return list(Campaign.objects.filter(ended_at=None).select_related("owner_team"))
