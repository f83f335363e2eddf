"""The consumers of a version: subscriptions, and usage that was reported without one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from catalog.domain.facts import ConsumerFacts
from catalog.domain.typo_correction import nearest
from catalog.models import Application
from kernel.viewer import Viewer

_OF_VERSIONS = """
with used as (
  select u.version_id, u.application_id, u.environment_id,
         max(u.last_seen_at) as last_seen_at, sum(u.calls)::bigint as calls
    from catalog_usageday u
   where u.version_id = any(%(versions)s)
     and u.day >= current_date - 30
   group by 1, 2, 3),
subscribed as (
  select distinct on (s.version_id, s.application_id, s.environment_id) s.*
    from catalog_subscription s
   where s.version_id = any(%(versions)s)
     and s.state <> 'refused'
   order by s.version_id, s.application_id, s.environment_id,
            array_position(array['active','requested','ended'], s.state::text), s.id desc),
pairs as (
  select version_id, application_id, environment_id from used
  union
  select version_id, application_id, environment_id from subscribed)
select a.key as application_key, a.name, a.team_id, coalesce(t.key, '') as team_key, e.key as environment,
       case when s.id is null then 'unsubscribed'
            when s.state = 'active' and s.valid_until <= clock_timestamp() then 'expired'
            else s.state end as state,
       greatest(s.last_seen_at, u.last_seen_at) as last_seen_at,
       s.valid_until, s.valid_from, u.calls, s.id as subscription_id,
       api.slug || '@' || v.label as version_reference, s.moves_on, coalesce(m.label, '') as moves_to,
       v.id as version_id,
       s.moves_on is not null and s.moves_said_by_id is not null and not exists (
         select from kernel_user_groups g where g.user_id = s.moves_said_by_id and g.group_id = a.team_id
       ) as moves_said_by_owner
  from pairs p
  join catalog_application a on a.id = p.application_id
  join catalog_environment e on e.id = p.environment_id
  join catalog_apiversion v on v.id = p.version_id
  join catalog_api api on api.id = v.api_id
  left join catalog_team t on t.group_id = a.team_id
  left join subscribed s
    on (s.version_id, s.application_id, s.environment_id) = (p.version_id, p.application_id, p.environment_id)
  left join used u
    on (u.version_id, u.application_id, u.environment_id) = (p.version_id, p.application_id, p.environment_id)
  left join catalog_apiversion m on m.id = s.moves_to_id
 where (%(environment)s::text is null or e.key = %(environment)s)
 order by u.calls desc nulls last, a.name, e.position
 limit %(limit)s
"""


def of_versions(
    version_ids: list[int], *, environment: str | None = None, limit: int | None = 500
) -> list[ConsumerFacts]:
    """Consumers of several versions, most calls first. `state`: active, requested, expired, ended or unsubscribed.

    A page may show the first `limit`; who decides by them asks for all of them, with None.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OF_VERSIONS, {"versions": version_ids, "environment": environment, "limit": limit})
        names = [c.name for c in cursor.description or ()]
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [ConsumerFacts(**row) for row in rows]


def of_version(version_id: int, *, environment: str | None = None, limit: int | None = 500) -> list[ConsumerFacts]:
    """Who uses this version, subscribed or merely seen. A refused application does not count."""
    return of_versions([version_id], environment=environment, limit=limit)


def live_of_version(version_id: int, *, environment: str | None = None) -> list[ConsumerFacts]:
    """All that would notice its end: an active or requested subscription, or calls in the last 30 days."""
    return [c for c in of_version(version_id, environment=environment, limit=None) if c.is_live]


def blocking_retirement(version_id: int, at: datetime) -> list[ConsumerFacts]:
    """The live consumers that a retirement at this time would break. A consumer with a dated migration blocks until
    its day has come, and again when it is seen after that day."""
    return [c for c in live_of_version(version_id) if not c.has_moved(at)]


def applications_of(viewer: Viewer) -> QuerySet[Application, str]:
    """The keys of the applications of the viewer's teams, as a part of another query."""
    return Application.objects.filter(team__in=viewer.team_ids).values_list("key", flat=True)


def application_near(key: str) -> str | None:
    """The application of this key, else the one that may be meant, else None."""
    known = list(Application.objects.filter(retired_at=None).values_list("key", flat=True))
    return key if key in known else next(iter(nearest(key, known, limit=1)), None)
