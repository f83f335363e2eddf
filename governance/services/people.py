"""Delegations with dates, and absences."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from catalog.selectors import teams
from governance.models import Absence, Delegation
from governance.services import identity
from kernel import audit, clock, persons
from kernel.errors import Forbidden, Invalid, NotFound, finding
from kernel.models import User

MAX_DAYS = 60


def delegate(
    *, actor: User, to: User, team_key: str, starts_at: datetime, ends_at: datetime, reason: str = ""
) -> Delegation:
    """Let somebody decide by your right as a member of one team within `[starts_at, ends_at)`, at most 60 days. Not
    passed on.

    Raises Forbidden for a team that the person is not in, Invalid with findings.
    """
    team = teams.by_key(team_key)
    if team is None or not actor.groups.filter(pk=team.id).exists():
        raise Forbidden(
            "delegation.not_yours", f"You are not in {team_key!r}; you cannot delegate a right that you do not have."
        )
    found = []
    if persons.are_one(to.pk, actor.pk) or to.kind != User.Kind.PERSON or not to.is_active:
        found.append(finding("/delegate", "Name another person who has an active account."))
    if starts_at.tzinfo is None or ends_at.tzinfo is None or not starts_at < ends_at or ends_at <= clock.now():
        found.append(
            finding("/ends_at", "The end must be in the future and later than the start. Both need a time zone.")
        )
    elif ends_at - starts_at > timedelta(days=MAX_DAYS):
        found.append(finding("/ends_at", f"Choose an end at most {MAX_DAYS} days after the start."))
    if found:
        raise Invalid("delegation.invalid", f"This cannot be delegated: {found[0]['message']}", {"findings": found})
    proved = identity.require_proof(actor, "a delegation")
    with transaction.atomic():
        made = Delegation.objects.create(
            delegator=actor, delegate=to, group_id=team.id, starts_at=starts_at, ends_at=ends_at, reason=reason[:200]
        )
        after = {"to": to.username, "team": team_key, "until": ends_at.isoformat()} | proved
        audit.record(
            actor=actor,
            verb="governance.right_delegated",
            subject_kind="delegation",
            subject_id=made.pk,
            after=after,
            reason=reason,
        )
    return made


def revoke_delegation(delegation_id: int, *, actor: User) -> None:
    """Ends it at once, and with it what rests on it and is not in effect yet. Idempotent."""
    with transaction.atomic():
        row = Delegation.objects.select_for_update().filter(pk=delegation_id, delegator=actor).first()
        if row is None:
            raise NotFound("delegation.unknown", "You gave no such delegation.")
        if row.revoked_at is None:
            row.revoked_at = clock.now()
            row.save(update_fields=["revoked_at"])
            audit.record(
                actor=actor, verb="governance.delegation_revoked", subject_kind="delegation", subject_id=row.pk
            )


def be_absent(*, actor: User, starts_at: datetime, ends_at: datetime, note: str = "") -> Absence:
    """An absent person is not asked. A decision that the person makes anyway counts."""
    if starts_at.tzinfo is None or ends_at.tzinfo is None or not starts_at < ends_at:
        raise Invalid(
            "absence.invalid",
            "It ends after it starts.",
            {"findings": [finding("/ends_at", "It ends after it starts.")]},
        )
    with transaction.atomic():
        made = Absence.objects.create(person=actor, starts_at=starts_at, ends_at=ends_at, note=note[:200])
        audit.record(
            actor=actor,
            verb="governance.absence_noted",
            subject_kind="absence",
            subject_id=made.pk,
            after={"until": ends_at.isoformat()},
        )
    return made
