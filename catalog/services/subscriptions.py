"""Subscriptions: requested by the consumer's team, decided by the owner of the API, dated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from django.db import IntegrityError, transaction

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import ApiVersion, Application, Environment, Subscription
from catalog.services import announcements, audit_snapshots
from catalog.services.findings import Findings
from kernel import clock
from kernel.constraints import violated
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

OPEN_ONCE: Final = "one_open_subscription"


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

    Raises Invalid with findings for unknown keys, Forbidden for another team's application, Conflict where one is open
    or active already, or where the version takes no new consumers (only a published one does).
    """
    found, viewer = Findings(), Viewer.of(actor)
    consumer = found.row_by_key(Application, application or "?", "/application", noun="application")
    where = found.row_by_key(Environment, environment or "?", "/environment", noun="environment")
    wanted = _visible_version(version, viewer, found)
    reason = found.text(justification, "/justification", limit=4000)
    if valid_until is not None and valid_until <= (valid_from or clock.now()):
        found.add("/valid_until", "Choose an end after the beginning.")
    if consumer is None or where is None or wanted is None or found.items:
        raise Invalid("subscription.invalid", "The request cannot be saved.", {"findings": found.items})
    _require_open_to(consumer, wanted, viewer)
    try:
        with transaction.atomic():
            made = Subscription.objects.create(
                application=consumer,
                version=wanted,
                environment=where,
                justification=reason,
                requested_by=actor,
                valid_from=valid_from,
                valid_until=valid_until,
            )
            announcements.subscription_changed(made, "subscription_requested", actor=actor)
    except IntegrityError as error:
        if violated(error) != OPEN_ONCE:
            raise
        message = f"{consumer.name} has an open or active subscription to {wanted} in {where.name}."
        raise Conflict("subscription.open_already", message) from None
    return made


def _visible_version(reference: str, viewer: Viewer, found: Findings) -> ApiVersion | None:
    slug, _, label = reference.partition("@")
    rows = ApiVersion.objects.select_related("api").filter(api__in=permissions.visible(viewer))
    version = rows.filter(api__slug=slug, label=label).first() if "\x00" not in reference else None
    if version is None:
        found.add("/version", f"There is no API version {reference[:200]!r}.")
    return version


def _require_open_to(consumer: Application, version: ApiVersion, viewer: Viewer) -> None:
    """Raises Forbidden for another team's application, Conflict for a version that takes no new consumers."""
    allowed = permissions.may_apply(viewer, consumer)
    if not allowed:
        raise Forbidden("subscription.not_your_application", allowed.reason)
    if version.state != lifecycle.PUBLISHED:
        raise Conflict(
            "subscription.version_takes_none",
            f"{version} is {version.state}; only a published version takes new consumers.",
            {"findings": [finding("/version", "Choose a published version.")]},
        )


def approve(subscription_id: int, *, actor: User, valid_until: datetime | None = None, note: str = "") -> Subscription:
    """The owner agrees. The subscription is active from now, or from the requested day on, until its end. The
    requester cannot approve."""
    with transaction.atomic():
        row = _for_decision(subscription_id, actor)
        before = audit_snapshots.of_subscription(row)
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
        announcements.subscription_changed(row, "subscription_approved", actor=actor, before=before, reason=note)
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
        before = audit_snapshots.of_subscription(row)
        row.state, row.decided_by, row.decided_at, row.decision_note = (
            Subscription.State.REFUSED,
            actor,
            clock.now(),
            note.strip()[:4000],
        )
        row.save(update_fields=["state", "decided_by", "decided_at", "decision_note"])
        announcements.subscription_changed(row, "subscription_refused", actor=actor, before=before, reason=note)
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
        before = audit_snapshots.of_subscription(row)
        now = clock.now()
        if row.valid_from is not None and row.valid_from >= now:
            row.valid_from = None
        row.state, row.valid_until = Subscription.State.ENDED, now if row.valid_from is not None else None
        row.save(update_fields=["state", "valid_until", "valid_from"])
        announcements.subscription_changed(row, "subscription_ended", actor=actor, before=before, reason=note)
    return row


def plan_move(
    subscription_id: int,
    *,
    actor: User,
    moves_to: str = "",
    moves_on: date | None,
    check: Callable[[Subscription], None] | None = None,
) -> Subscription:
    """Plan a consumer's migration: `moves_to` is the label of the version that it will use, "" where it stops using the
    API, and `moves_on` the day by which it has moved. Without a day the plan is withdrawn. `check` may refuse the
    locked row (If-Match).

    Raises Invalid for a version that is not published or ends before the day, and for a day that has passed or lies
    after the sunset of what it moves from; Conflict where the subscription has ended; Forbidden for others than the
    consumer's team and the API's owner.
    """
    with transaction.atomic():
        row = _locked(subscription_id)
        allowed = permissions.may_plan_move(Viewer.of(actor), row)
        if not allowed:
            raise Forbidden("subscription.not_yours", allowed.reason)
        if check:
            check(row)
        if row.state not in (Subscription.State.ACTIVE, Subscription.State.REQUESTED):
            raise Conflict("subscription.not_open", "This subscription has ended; there is nothing to move.")
        target = _move_target(row, moves_to, moves_on)
        before = audit_snapshots.of_subscription(row)
        row.moves_on, row.moves_to = moves_on, target
        row.moves_said_by, row.moves_said_at = (actor, clock.now()) if moves_on else (None, None)
        row.save(update_fields=["moves_on", "moves_to", "moves_said_by", "moves_said_at"])
        announcements.subscription_changed(row, "subscription_move_planned", actor=actor, before=before)
    return row


def _move_target(row: Subscription, label: str, day: date | None) -> ApiVersion | None:
    """The version that the consumer moves to. Raises Invalid `subscription.move` with every finding."""
    found, target = Findings(), None
    if label and "\x00" not in label:
        target = ApiVersion.objects.filter(api_id=row.version.api_id, label=label).first()
    if label and (target is None or target.pk == row.version_id or target.state != lifecycle.PUBLISHED):
        found.add("/moves_to", "Choose another, published version of this API.")
    if label and day is None:
        found.add("/moves_on", "Say by which day.")
    sunset_at = target.sunset_at if target else None
    if target and day and sunset_at and sunset_at.date() <= day:
        found.add("/moves_to", f"{target.label} itself ends on {sunset_at:%d %b %Y}.")
    ends = row.version.sunset_at
    if day is not None and day < clock.now().date() and day != row.moves_on:
        found.add("/moves_on", "This day has passed.")
    elif day is not None and ends is not None and day > ends.date() and day != row.moves_on:
        found.add("/moves_on", f"{row.version.label} ends on {ends:%d %b %Y}: choose a day not after it.")
    found.require_none("subscription.move", "The plan cannot be saved; see the findings.")
    return target


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
