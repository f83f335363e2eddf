"""An API or an application goes to another team, by an approved change in which both teams agreed.

Only governance may call this; each call carries the id of the approval that permits it.
"""

from __future__ import annotations

from django.db import transaction

from catalog import permissions
from catalog.models import Api, Application, Team
from catalog.selectors import ownership
from catalog.selectors.ownership import OwnedThing
from catalog.services import applications, audit_snapshots, governed_facts, search_index
from kernel import audit, outbox
from kernel.errors import Conflict, NotFound
from kernel.models import User


def hand_over_api(slug: str, *, team: str, digest: str, approval_id: int, actor: User | None) -> None:
    """Its owner rights go with it. Raises NotFound, Conflict `owner.changed_meanwhile`, `api.frozen`."""
    with transaction.atomic():
        rows = Api.objects.select_for_update(of=("self",)).select_related("owner_team", "tier", "domain", "system")
        api = rows.filter(slug=slug).first()
        if api is None:
            raise NotFound("api.unknown", f"There is no API {slug[:100]!r}.")
        _require_same(ownership.of_api(api), digest)
        before, giving = audit_snapshots.of_api(api), api.owner_team
        api.owner_team = _receiving(team)
        api.save(update_fields=["owner_team"])
        permissions.hand_over(api, before=giving)
        after = {**audit_snapshots.of_api(api), "approval": approval_id}
        audit.record(
            actor=actor, verb="catalog.api_changed", subject_kind="api", subject_id=slug, before=before, after=after
        )
        outbox.emit("catalog.api_changed", key=slug, payload={"slug": slug})
        search_index.refresh([api.pk])


def hand_over_application(key: str, *, team: str, digest: str, approval_id: int, actor: User | None) -> None:
    """Its rights and subscriptions go with it. Raises NotFound, Conflict `owner.changed_meanwhile`,
    `application.frozen`."""
    with transaction.atomic():
        rows = Application.objects.select_for_update(of=("self",)).select_related("team")
        row = rows.filter(key=key).first()
        if row is None:
            raise NotFound("application.unknown", f"There is no application {key[:100]!r}.")
        _require_same(ownership.of_application(row, governed_facts.runs_with(key)), digest)
        before = {"team": row.team.key if row.team else None}
        row.team = _receiving(team)
        row.save(update_fields=["team"])
        search_index.refresh(applications.used_by(row))
        audit.record(
            actor=actor,
            verb="catalog.application_changed",
            subject_kind="application",
            subject_id=key,
            before=before,
            after={"team": row.team.key, "approval": approval_id},
        )


def _require_same(thing: OwnedThing, digest: str) -> None:
    """The owner of whom it was approved, and no freeze over it now."""
    if thing.digest != digest:
        raise Conflict("owner.changed_meanwhile", f"{thing.name} has another owner than when this was approved.")
    governed_facts.require_no_freeze(thing, ["owner_team" if thing.kind == ownership.OF_API else "team"])


def _receiving(key: str) -> Team:
    found = Team.objects.filter(key=key, retired_at=None).first()
    if found is None:
        raise NotFound("team.unknown", f"There is no team {key[:60]!r}.")
    return found
