"""Campaigns: a date by which a scorecard point should hold. Advice, never the gate; architects begin, change and end
them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import naming
from catalog.domain.scorecards import POINTS
from catalog.models import Campaign, Team
from catalog.services.findings import Findings
from kernel import audit, clock
from kernel.constraints import violated
from kernel.errors import Conflict, Forbidden, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

Check = Callable[[Campaign], None]
KEY_TAKEN: Final = "catalog_campaign_key_key"


def _require_steward(actor: User) -> None:
    allowed = permissions.may_steward(Viewer.of(actor))
    if not allowed:
        raise Forbidden("campaign.not_yours", allowed.reason)


def _fields(values: dict[str, Any], *, before: date | None) -> dict[str, Any]:
    """What is given, read; raises Invalid with every finding. A day that has passed is refused unless it stood there
    already."""
    found = Findings()
    made: dict[str, Any] = {}
    if "name" in values:
        made["name"] = found.text(values["name"], "/name", limit=160, required="Say what should be reached.")
    if "purpose" in values:
        made["purpose"] = found.text(values["purpose"], "/purpose", limit=4000)
    if "point" in values:
        made["point"] = found.choice(values["point"], tuple(POINTS), "/point", noun="scorecard point")
        if not made["point"] and not found.items:
            found.add("/point", "Choose the point that should hold.")
    if "due_on" in values:
        made["due_on"] = values["due_on"]
        if not isinstance(values["due_on"], date):
            found.add("/due_on", "Enter a day, e.g. 2027-03-31.")
        elif values["due_on"] < clock.now().date() and values["due_on"] != before:
            found.add("/due_on", "This day has passed.")
    if "owner_team" in values:
        team = values["owner_team"]
        made["owner_team"] = (
            team if isinstance(team, Team) else found.row_by_key(Team, team, "/owner_team", noun="team")
        )
    found.require_none("campaign.invalid", "The campaign cannot be saved; see the findings.")
    return made


def begin(*, actor: User, key: str, **values: Any) -> Campaign:
    """A new campaign: name, point, due_on; purpose and owner_team where wanted. Raises Conflict for a key that is
    taken."""
    _require_steward(actor)
    found = Findings()
    if not naming.is_slug(key) or len(key) > 60:
        found.add("/key", "Small letters, digits and hyphens; at most 60.")
    found.require_none("campaign.invalid", "The campaign cannot be saved; see the findings.")
    fields = _fields({"name": "", "point": "", "due_on": None, **values}, before=None)
    try:
        with transaction.atomic():
            made = Campaign.objects.create(key=key, **fields)
            audit.record(
                actor=actor,
                verb="catalog.campaign_begun",
                subject_kind="campaign",
                subject_id=key,
                after=_snapshot(made),
            )
    except IntegrityError as error:
        if violated(error) != KEY_TAKEN:
            raise
        message = f"There is a campaign {key!r} already."
        raise Conflict("campaign.key_taken", message, {"findings": [finding("/key", message)]}) from None
    return made


def change(key: str, *, actor: User, values: dict[str, Any], check: Check | None = None) -> Campaign:
    """Name, purpose, point, day or owner, and with `ended` its end or that it goes on; `check` may refuse the locked
    row (If-Match)."""
    _require_steward(actor)
    with transaction.atomic():
        row = Campaign.objects.select_for_update(of=("self",)).select_related("owner_team").filter(key=key).first()
        if row is None:
            raise NotFound("campaign.unknown", f"There is no campaign {key[:100]!r}.")
        if check:
            check(row)
        before = _snapshot(row)
        for name, value in _fields(values, before=row.due_on).items():
            setattr(row, name, value)
        if "ended" in values:
            row.ended_at = (row.ended_at or clock.now()) if values["ended"] else None
        row.save()
        if _snapshot(row) != before:
            audit.record(
                actor=actor,
                verb="catalog.campaign_changed",
                subject_kind="campaign",
                subject_id=key,
                before=before,
                after=_snapshot(row),
            )
    return row


def _snapshot(row: Campaign) -> dict[str, Any]:
    return {
        "name": row.name,
        "point": row.point,
        "due_on": row.due_on.isoformat(),
        "purpose": row.purpose,
        "owner_team": row.owner_team.key if row.owner_team else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }
