"""Applications: the consumers, owned by teams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import naming
from catalog.models import Application, Subscription, Team
from catalog.selectors import ownership
from catalog.services import governed_facts, search_index
from catalog.services.governed_facts import Decides
from kernel import audit
from kernel.constraints import violated
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

KEY_TAKEN: Final = "catalog_application_key_key"


def register(*, actor: User, key: str, name: str, team: Team, description: str = "") -> Application:
    """A new application of one of the actor's teams. Raises Conflict `application.key_taken`, Invalid, Forbidden."""
    if not naming.is_slug(key):
        message = "Small letters, digits and hyphens."
        raise Invalid("application.key", message, {"findings": [finding("/key", message)]})
    allowed = permissions.may_register(Viewer.of(actor), team)
    if not allowed:
        raise Forbidden("application.not_your_team", allowed.reason)
    try:
        with transaction.atomic():
            made = Application.objects.create(key=key, name=name, team=team, description=description)
            audit.record(
                actor=actor,
                verb="catalog.application_registered",
                subject_kind="application",
                subject_id=key,
                after={"name": name, "team": team.key},
            )
    except IntegrityError as error:
        if violated(error) != KEY_TAKEN:
            raise
        message = f"The key {key!r} is taken."
        raise Conflict("application.key_taken", message, {"findings": [finding("/key", message)]}) from None
    return made


def used_by(application: Application) -> list[int]:
    """The APIs that it is subscribed to or has asked for."""
    rows = Subscription.objects.filter(application=application, state__in=["active", "requested"])
    return list(rows.values_list("version__api_id", flat=True).distinct())


def change(
    key: str,
    *,
    actor: User,
    values: dict[str, Any],
    check: Callable[[Application], None] | None = None,
    decides: Decides | None = None,
) -> Application:
    """Name, description or team, under the row's lock; `check` may refuse the locked row (If-Match), `decides` says who
    calls in a session of their own. Another team takes over its rights and subscriptions, so both sides hand over."""
    with transaction.atomic():
        row = Application.objects.select_for_update(of=("self",)).select_related("team").filter(key=key).first()
        if row is None:
            raise NotFound("application.unknown", f"There is no application {key[:100]!r}.")
        viewer = Viewer.of(actor)
        allowed = permissions.may_apply(viewer, row)
        if not allowed and not (set(values) == {"team"} and permissions.may_steward(viewer)):
            raise Forbidden("application.not_yours", allowed.reason)
        if check:
            check(row)
        if "team" in values and values["team"] != row.team:
            if decides is not None:
                decides()
            code = "application.needs_receiving_team"
            governed_facts.require_both_sides(actor, row.team, values["team"], what=row.name, code=code)
            governed_facts.require_no_freeze(ownership.of_application(row, governed_facts.runs_with(key)), ["team"])
        before = {"name": row.name, "team": row.team.key if row.team else None}
        for name in ("name", "description", "team"):
            if name in values:
                setattr(row, name, values[name])
        row.save(update_fields=["name", "description", "team"])
        if "team" in values:  # who may see a restricted API goes by the teams of its subscribers
            search_index.refresh(used_by(row))
        audit.record(
            actor=actor,
            verb="catalog.application_changed",
            subject_kind="application",
            subject_id=key,
            before=before,
            after={"name": row.name, "team": row.team.key if row.team else None},
        )
    return row
