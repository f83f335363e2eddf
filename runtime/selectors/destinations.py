"""Where the systems of a release may be called: the destinations that its approval binds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from catalog.domain.facts import EndpointFacts
from catalog.selectors import destinations as known
from kernel.errors import NotApproved
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import ApprovedDestination, Deployment

MOVED = "approval.destination_moved"
NOWHERE = {"nowhere": "no endpoint"}
_APPROVED = """
select b.digest
  from runtime_release r
  join runtime_deployment d on d.integration_id = r.integration_id and d.environment = %(environment)s
  join runtime_approveddestination b on b.approval_id = d.approval_id and b.system_key = %(system)s
 where r.id = %(release)s
 order by d.active desc, d.id desc
 limit 1"""
_ELSEWHERE = """
select m.approved
  from runtime_destination_moved m
  join runtime_deployment d on d.approval_id = m.approval_id and d.active
 where m.system_key = %(system)s
   and m.environment = %(environment)s
 order by d.id desc
 limit 1"""
_OF_APPROVAL = """
select m.system_key, m.environment, exists (select
                                              from runtime_deployment d
                                             where d.approval_id = m.approval_id
                                               and d.active)
  from runtime_destination_moved m
 where m.approval_id = %(approval)s
union
-- A system that it calls without a row that says where it answered: nobody knows that it has not moved.
select s.key, a.environment, false
  from governance_approval a
  join runtime_integration i on i.key = a.subject_id
  join runtime_release r on r.integration_id = i.id and r.digest = a.digest
 cross join lateral runtime_systems_called(r.manifest) s(key)
 where a.id = %(approval)s
   and not exists (select
                     from runtime_approveddestination b
                    where b.approval_id = a.id
                      and b.system_key = s.key
                      and b.environment = a.environment)
 order by 1"""
_MOVED = """
select m.system_key, m.environment, i.key, i.title, i.owner_team_id,
       coalesce(now.first_seen_at, d.deployed_at) as since
  from runtime_destination_moved m
  join runtime_deployment d on d.approval_id = m.approval_id and d.active
  join runtime_integration i on i.id = d.integration_id
  left join catalog_destination now on now.digest = m.present
 order by since, m.system_key, m.environment, i.key"""


@dataclass(frozen=True, slots=True)
class MovedDestination:
    """A system that answers elsewhere than where an active integration was approved for it, so that it waits."""

    system: str
    environment: str
    integration: str
    title: str
    owner_team_id: int
    since: datetime


def require_approved(endpoint: EndpointFacts, *, system: str, environment: str, release: int) -> None:
    """Nothing is sent anywhere but to where the release's approval lets it go. The claim looks at the same; this is for
    what was claimed before the system moved. Raises NotApproved `approval.destination_moved`."""
    with connection.cursor() as cursor:
        cursor.execute(_APPROVED, {"release": release, "environment": environment, "system": system})
        row = cursor.fetchone()
    if row is None or row[0] != endpoint.destination:
        raise NotApproved(
            MOVED,
            f"Where {system} answers in {environment} is not what was approved. It is called again once a change of "
            f"its destination is approved.",
        )


def flows_over(system: str, environment: str) -> QuerySet[Deployment]:
    """The active deployments whose approval binds where the system answers. For the rules of the product alone: the
    caller shows nobody what they may not see."""
    bound = ApprovedDestination.objects.filter(system_key=system, environment=environment)
    rows = Deployment.objects.select_related("integration", "release")
    return rows.filter(active=True, environment=environment, approval__in=bound.values("approval"))


def number_of_flows(system: str, environment: str, viewer: Viewer | None = None) -> int:
    """With a viewer, of those that the viewer may see."""
    rows = flows_over(system, environment)
    return (rows if viewer is None else rows.filter(integration__in=permissions.visible(viewer))).count()


def bound_of(integration_id: int, environment: str) -> dict[str, Any]:
    """The documents of the destinations that what runs there was approved for, by the keys of the systems."""
    rows = Deployment.objects.filter(integration_id=integration_id, environment=environment, active=True)
    bound = ApprovedDestination.objects.filter(approval__in=rows.values("approval")).order_by("system_key")
    found = list(bound.values_list("system_key", "digest"))
    documents = known.by_digests(digest for _, digest in found)
    return {key: documents.get(digest, NOWHERE) for key, digest in found}


def approved_elsewhere(system: str, environment: str) -> str | None:
    """The digest of the destination that flows were approved for last, where it is another than the present one."""
    with connection.cursor() as cursor:
        cursor.execute(_ELSEWHERE, {"system": system, "environment": environment})
        row = cursor.fetchone()
    return row[0] if row else None


def unmet(approval_id: int) -> list[dict[str, Any]]:
    """The systems that have moved since this approval, as reasons why it does not hold now."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_APPROVAL, {"approval": approval_id})
        found = cursor.fetchall()
    return [
        {
            "code": MOVED,
            "message": f"Where {system} answers in {environment} is not what was approved.",
            "fix": f"Have the destination {system}/{environment} approved (a change of the kind system.destination)."
            if runs
            else f"Have the release approved anew, for where {system} answers now.",
            "approval": approval_id,
        }
        for system, environment, runs in found
    ]


def moved() -> list[MovedDestination]:
    """Every integration that waits for the approval of a destination. For the product's own rules: the caller shows
    nobody what they may not see."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVED)
        return [MovedDestination(*row) for row in cursor.fetchall()]
