"""Who may hand in messages: granted and revoked by the owner of the integration, each in the audit ledger."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet

from catalog.selectors import systems, teams
from kernel import audit, clock
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import IntakeGrant, Integration


def grants_of(integration: Integration, environment: str = "") -> QuerySet[IntakeGrant]:
    """What is granted now, newest first; the caller has checked what the viewer may see."""
    found = IntakeGrant.objects.filter(integration=integration, revoked_at=None)
    found = found.select_related("account", "team", "granted_by")
    return found.filter(environment=environment) if environment else found


def grant(
    integration: Integration, environment: str, *, account: str = "", team: str = "", actor: User | None
) -> IntakeGrant:
    """Let an account (by user name) or the accounts of a team (by key) hand in messages in one environment.

    The same grant again gives the same grant. `actor` None is the system. Raises Forbidden for everybody but the owner,
    Invalid with the field for what does not exist.
    """
    _require_owner(integration, actor)
    if environment not in {known for known, _, _ in systems.environments()}:
        raise _unknown("environment", f"There is no environment {environment[:40]!r}.")
    if bool(account) == bool(team):
        raise _unknown("account", "Name either an account or a team.")
    to = {"account": _account(account), "team": None} if account else {"account": None, "team": _team(team)}
    with transaction.atomic():
        made, new = IntakeGrant.objects.get_or_create(
            integration=integration, environment=environment, revoked_at=None, **to, defaults={"granted_by": actor}
        )
        if new:
            _record("runtime.intake_granted", made, actor)
    return made


def revoke(grant_id: int, integration: Integration, *, actor: User | None) -> None:
    """End a grant at once. Idempotent. Raises NotFound for one of another integration."""
    _require_owner(integration, actor)
    with transaction.atomic():
        found = IntakeGrant.objects.select_for_update().filter(pk=grant_id, integration=integration).first()
        if found is None:
            raise NotFound("intake_grant.unknown", f"{integration.key} has no such grant. Nothing was revoked.")
        if found.revoked_at is None:
            found.revoked_at, found.revoked_by = clock.now(), actor
            found.save(update_fields=["revoked_at", "revoked_by"])
            _record("runtime.intake_revoked", found, actor)


def _require_owner(integration: Integration, actor: User | None) -> None:
    if actor is not None and not (allowed := permissions.may_grant_intake(Viewer.of(actor), integration)):
        raise Forbidden("integration.not_owner", f"{allowed.reason} Nothing was changed.")


def _account(name: str) -> User:
    found = User.objects.filter(username=name.replace("\0", ""), is_active=True).first()
    if found is None:
        raise _unknown("account", f"There is no active account {name[:80]!r}.")
    return found


def _team(key: str) -> Group:
    found = teams.by_key(key.replace("\0", ""))
    if found is None:
        raise _unknown("team", f"The catalog has no team {key[:80]!r}.")
    return Group.objects.get(pk=found.id)


def _unknown(field: str, said: str) -> Invalid:
    return Invalid("intake_grant.invalid", said, {"findings": [finding(f"/{field}", said)]})


def _record(verb: str, made: IntakeGrant, actor: User | None) -> None:
    to = {"account": made.account.username} if made.account else {"team": made.team.name if made.team else ""}
    audit.record(verb, "integration", made.integration.key, actor=actor, after={"environment": made.environment, **to})
