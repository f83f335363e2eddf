"""Subscriptions: applied for by the consumer's team, decided by the owner of the API, dated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import ApiVersion, Application, Environment, Subscription
from catalog.services import search_index, snapshots
from catalog.services.lookup import Findings
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer


def apply(
    *,
    actor: User,
    application: str,
    version: str,
    environment: str,
    justification: str = "",
    valid_until: datetime | None = None,
    valid_from: datetime | None = None,
) -> Subscription:
    """Ask for the use of one version in one environment. The owner of the API decides.

    Raises Invalid with findings for unknown keys, Forbidden for another team's application, Conflict where one is open or
    active already, or where the version takes no new consumers (only a published one does).
    """
    found = Findings()
    who = found.one(Application, application or "?", "/application", noun="application")
    where = found.one(Environment, environment or "?", "/environment", noun="environment")
    slug, _, label = version.partition("@")
    viewer = Viewer.of(actor)
    rows = ApiVersion.objects.select_related("api").filter(api__in=permissions.visible(viewer))
    what = rows.filter(api__slug=slug, label=label).first() if "\x00" not in version else None
    if what is None:
        found.add("/version", f"There is no API version {version[:200]!r}.")
    reason = found.text(justification, "/justification", limit=4000)
    if valid_until is not None and valid_until <= (valid_from or clock.now()):
        found.add("/valid_until", "The end lies after the beginning.")
    if who is None or where is None or what is None or found.items:
        found.require_none("subscription.invalid", "The application cannot be taken in.")
        raise Invalid("subscription.invalid", "The application cannot be taken in.")
    allowed = permissions.may_apply(viewer, who)
    if not allowed:
        raise Forbidden("subscription.not_your_application", allowed.reason)
    if what.state != lifecycle.PUBLISHED:
        raise Conflict(
            "subscription.version_takes_none",
            f"{what} is {what.state}; only a published version takes new consumers.",
            {"findings": [finding("/version", "Choose a published version.")]},
        )
    try:
        with transaction.atomic():
            made = Subscription.objects.create(
                application=who,
                version=what,
                environment=where,
                justification=reason,
                requested_by=actor,
                valid_from=valid_from,
                valid_until=valid_until,
            )
            _say(made, "subscription_requested", actor, None)
    except IntegrityError:
        raise Conflict(
            "subscription.open_already", f"{who.name} has an open or active subscription of {what} in {where.name}."
        ) from None
    return made


def approve(subscription_id: int, *, actor: User, valid_until: datetime | None = None, note: str = "") -> Subscription:
    """The owner agrees; it is active from now (or the asked day on) until its end. Never by who asked."""
    with transaction.atomic():
        row = _for_decision(subscription_id, actor)
        before = snapshots.of_subscription(row)
        now = clock.now()
        row.state, row.decided_by, row.decided_at, row.decision_note = (
            Subscription.State.ACTIVE,
            actor,
            now,
            note[:4000],
        )
        row.valid_from = max(row.valid_from or now, now)
        row.valid_until = valid_until or row.valid_until
        if row.valid_until is not None and row.valid_until <= row.valid_from:
            raise Invalid(
                "subscription.period",
                "The end lies before the beginning.",
                {"findings": [finding("/valid_until", "Choose a later day.")]},
            )
        row.save(update_fields=["state", "decided_by", "decided_at", "decision_note", "valid_from", "valid_until"])
        _say(row, "subscription_approved", actor, before, reason=note)
    return row


def refuse(subscription_id: int, *, actor: User, note: str) -> Subscription:
    """The owner declines, with a reason."""
    if not note.strip():
        raise Invalid(
            "subscription.reason",
            "A refusal needs a reason.",
            {"findings": [finding("/note", "Say why, and what would help.")]},
        )
    with transaction.atomic():
        row = _for_decision(subscription_id, actor)
        before = snapshots.of_subscription(row)
        row.state, row.decided_by, row.decided_at, row.decision_note = (
            Subscription.State.REFUSED,
            actor,
            clock.now(),
            note.strip()[:4000],
        )
        row.save(update_fields=["state", "decided_by", "decided_at", "decision_note"])
        _say(row, "subscription_refused", actor, before, reason=note)
    return row


def end(subscription_id: int, *, actor: User, note: str = "") -> Subscription:
    """The consumer's team ends its use, at once. Idempotent."""
    with transaction.atomic():
        row = _locked(subscription_id)
        allowed = permissions.may_end_subscription(Viewer.of(actor), row)
        if not allowed:
            raise Forbidden("subscription.not_yours", allowed.reason)
        if row.state == Subscription.State.ENDED:
            return row
        if row.state == Subscription.State.REFUSED:
            raise Conflict("subscription.refused", "This application was refused; there is nothing to end.")
        before = snapshots.of_subscription(row)
        now = clock.now()
        if row.valid_from is not None and row.valid_from >= now:
            row.valid_from = None
        row.state, row.valid_until = Subscription.State.ENDED, now if row.valid_from is not None else None
        row.save(update_fields=["state", "valid_until", "valid_from"])
        _say(row, "subscription_ended", actor, before, reason=note)
    return row


def plan_move(
    subscription_id: int,
    *,
    actor: User,
    moves_to: str = "",
    moves_on: date | None,
    check: Callable[[Subscription], None] | None = None,
) -> Subscription:
    """The dated migration of a consumer: the version (a label of the same API) that it goes to, "" for none at all, and the day by
    which it will have gone. Without a day the plan is taken back. `check` may refuse the locked row (If-Match).

    Raises Invalid for a version that is not published, lies behind the present one, or ends before the day; Conflict where nothing is
    used any more; Forbidden for others than the consumer's team and the API's owner.
    """
    with transaction.atomic():
        row = _locked(subscription_id)
        allowed = permissions.may_plan_move(Viewer.of(actor), row)
        if not allowed:
            raise Forbidden("subscription.not_yours", allowed.reason)
        if check:
            check(row)
        if row.state not in (Subscription.State.ACTIVE, Subscription.State.REQUESTED):
            raise Conflict("subscription.not_open", "This use has ended; there is nothing to move.")
        found = Findings()
        target = (
            ApiVersion.objects.filter(api_id=row.version.api_id, label=moves_to).first()
            if moves_to and "\x00" not in moves_to
            else None
        )
        if moves_to and (target is None or target.pk == row.version_id or target.state != lifecycle.PUBLISHED):
            found.add("/moves_to", "Choose another, published version of this API.")
        if moves_to and moves_on is None:
            found.add("/moves_on", "Say by which day.")
        if (
            target is not None
            and moves_on is not None
            and target.sunset_at is not None
            and target.sunset_at.date() <= moves_on
        ):
            found.add("/moves_to", f"{target.label} itself ends on {target.sunset_at:%d %b %Y}.")
        if moves_on is not None and moves_on < clock.now().date() and moves_on != row.moves_on:
            found.add("/moves_on", "This day has passed.")
        found.require_none("subscription.move", "The plan cannot be taken over.")
        before = snapshots.of_subscription(row)
        row.moves_on, row.moves_to = moves_on, target
        row.save(update_fields=["moves_on", "moves_to"])
        _say(row, "subscription_move_planned", actor, before)
    return row


def _locked(subscription_id: int) -> Subscription:
    row = (
        Subscription.objects.select_for_update(of=("self",))
        .select_related("version__api__owner_team", "application__team", "environment", "moves_to")
        .filter(pk=subscription_id)
        .first()
    )
    if row is None:
        raise NotFound("subscription.unknown", f"There is no subscription {subscription_id}.")
    return row


def _for_decision(subscription_id: int, actor: User) -> Subscription:
    row = _locked(subscription_id)
    allowed = permissions.may_decide_subscription(Viewer.of(actor), row)
    if not allowed:
        if row.state != Subscription.State.REQUESTED:
            raise Conflict("subscription.decided", allowed.reason)
        raise Forbidden("subscription.not_yours_to_decide", allowed.reason)
    return row


def _say(row: Subscription, verb: str, actor: User, before: Any, *, reason: str = "") -> None:
    reference = str(row.version)
    audit.record(
        actor=actor,
        verb=f"catalog.{verb}",
        subject_kind="version",
        subject_id=reference,
        before=before,
        after=snapshots.of_subscription(row),
        reason=reason,
    )
    payload = {
        "subscription_id": row.pk,
        "version_id": row.version_id,
        "application": row.application.key,
        "state": row.state,
    }
    outbox.emit(f"catalog.{verb}", key=reference, payload=payload)
    search_index.refresh([row.version.api_id])
