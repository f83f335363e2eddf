"""What one application uses: its subscriptions, the calls that were reported, and which versions end soon."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Q, QuerySet

from catalog import permissions
from catalog.models import Application
from catalog.selectors.search_query import visibility
from kernel.viewer import Viewer

_USES = """
with used as (
  select version_id, environment_id, sum(calls)::bigint as calls, max(last_seen_at) as last_seen_at
    from catalog_usageday
   where application_id = %(application)s
     and day >= current_date - 30
   group by 1, 2),
subscribed as (
  select distinct on (version_id, environment_id) *
    from catalog_subscription
   where application_id = %(application)s
     and state <> 'refused'
   order by version_id, environment_id, array_position(array['active', 'requested', 'ended'], state::text), id desc),
pairs as (
  select version_id, environment_id from used
  union
  select version_id, environment_id from subscribed)
select a.slug, a.name, v.label, v.state, v.sunset_at, e.name as environment,
       case when s.id is null then 'unsubscribed'
            when s.state = 'active' and s.valid_until <= clock_timestamp() then 'expired'
            else s.state end as use,
       s.id as subscription_id, s.valid_until, s.moves_on, m.label as moves_to,
       case when n.api_id = v.api_id or {successor_visible} then n.label end as successor,
       u.calls, greatest(u.last_seen_at, s.last_seen_at) as last_seen_at
  from pairs p
  join catalog_apiversion v on v.id = p.version_id
  join catalog_api a on a.id = v.api_id
  join catalog_environment e on e.id = p.environment_id
  join catalog_apisearch c on c.api_id = a.id
  left join subscribed s on (s.version_id, s.environment_id) = (p.version_id, p.environment_id)
  left join used u on (u.version_id, u.environment_id) = (p.version_id, p.environment_id)
  left join catalog_apiversion m on m.id = s.moves_to_id
  left join catalog_apiversion n on n.id = v.successor_id
  left join catalog_apisearch nc on nc.api_id = n.api_id
 where {visible}
 order by v.sunset_at nulls last, a.name, v.position desc, e.position
 limit 500
"""


@dataclass(frozen=True, slots=True)
class ApplicationUse:
    """One version in one environment. `use` is active, requested, expired, ended or unsubscribed; `successor` is what
    its owner named, where the viewer may see it."""

    slug: str
    name: str
    label: str
    state: str
    sunset_at: datetime | None
    environment: str
    use: str
    subscription_id: int | None
    valid_until: datetime | None
    moves_on: date | None
    moves_to: str | None
    successor: str | None
    calls: int | None
    last_seen_at: datetime | None


def of_application(application: Application, *, viewer: Viewer) -> list[ApplicationUse]:
    """What it uses among the APIs that the viewer sees, what ends first first."""
    params: dict[str, Any] = {"application": application.pk}
    rule = visibility(viewer, params)
    visible, successor_visible = (
        rule.replace("restricted", f"{table}.restricted").replace("team_ids", f"{table}.team_ids")
        for table in ("c", "nc")
    )
    with connection.cursor() as cursor:
        cursor.execute(_USES.format(visible=visible, successor_visible=successor_visible), params)
        return [ApplicationUse(*row) for row in cursor.fetchall()]


def applications(*, viewer: Viewer, q: str = "", mine: bool = False) -> QuerySet[Application]:
    """Applications by name, with the number of versions in use that the viewer sees."""
    rows = Application.objects.filter(retired_at=None).select_related("team")
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(key__icontains=q) | Q(team__name__icontains=q))
    if mine:
        rows = rows.filter(team_id__in=viewer.team_ids)
    seen = Q(
        subscriptions__state__in=["active", "requested"], subscriptions__version__api__in=permissions.visible(viewer)
    )
    ending = seen & Q(subscriptions__version__sunset_at__isnull=False, subscriptions__moves_on=None)
    return rows.annotate(
        used=Count("subscriptions__version", filter=seen, distinct=True),
        ending=Count("subscriptions__version", filter=ending, distinct=True),
    ).order_by("name")


def named(keys: Iterable[str]) -> QuerySet[Application]:
    """The applications with these keys, retired ones too, with their teams."""
    return Application.objects.select_related("team").filter(key__in=list(keys))
