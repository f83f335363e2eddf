"""Freeze windows: plan, end, and keep compiled ahead of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from psycopg.types.range import TimestamptzRange

from governance import permissions
from governance.domain.freeze import compile_intervals, validate
from governance.models import FreezeInterval, FreezeWindow
from governance.services import changes
from kernel import audit, clock, outbox
from kernel.errors import Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Viewer

AHEAD = timedelta(days=500)


def plan(
    *,
    actor: User | None,
    name: str,
    calendar: dict[str, Any],
    strictness: str = "changes",
    reason: str = "",
    environment: str | None = None,
    tier: int | None = None,
    domain: str | None = None,
    system: str | None = None,
    channel: str | None = None,
    banner: str | None = None,
) -> FreezeWindow:
    """A window, compiled for the next 500 days. `actor` None is the system (a blueprint). Raises Invalid with
    findings.
    """
    if actor is not None:
        changes.require_allowed(permissions.may_plan_freezes(Viewer.of(actor)), "freeze.not_allowed")
    _require_usable(name, strictness, tier)
    validate(calendar)
    with transaction.atomic():
        window = FreezeWindow.objects.create(
            name=name.strip(),
            reason=reason,
            environment=environment,
            tier=tier,
            domain=domain,
            system=system,
            channel=channel,
            banner=banner,
            strictness=strictness,
            calendar=calendar,
            created_by=actor,
        )
        compile_ahead(window)
        audit.record(
            actor=actor,
            verb="governance.freeze_planned",
            subject_kind="freeze",
            subject_id=window.pk,
            after={"name": name, "calendar": calendar, "strictness": strictness},
        )
        outbox.emit("governance.freeze_planned", key=window.pk, payload={"freeze": window.pk, "name": name})
    return window


def _require_usable(name: str, strictness: str, tier: int | None) -> None:
    found = []
    if not name.strip() or len(name) > 120:
        found.append(finding("/name", "Give a name of 1 to 120 characters."))
    if strictness not in FreezeWindow.Strictness.values:
        found.append(finding("/strictness", f"Choose one of: {', '.join(FreezeWindow.Strictness.values)}."))
    if tier is not None and tier not in range(4):
        found.append(finding("/tier", "Give a tier from 0 to 3."))
    if found:
        raise Invalid("freeze.invalid", f"The freeze cannot be planned: {found[0]['message']}", {"findings": found})


def end(window_id: int, *, actor: User, reason: str = "") -> None:
    """End the window now. Idempotent."""
    changes.require_allowed(permissions.may_plan_freezes(Viewer.of(actor)), "freeze.not_allowed")
    with transaction.atomic():
        window = FreezeWindow.objects.select_for_update().filter(pk=window_id).first()
        if window is None:
            raise NotFound("freeze.unknown", f"There is no freeze {window_id}.")
        if window.ended_at is None:
            window.ended_at = clock.now()
            window.save(update_fields=["ended_at"])
            audit.record(
                actor=actor, verb="governance.freeze_ended", subject_kind="freeze", subject_id=window_id, reason=reason
            )


def compile_ahead(window: FreezeWindow, *, now: datetime | None = None) -> int:
    """Add the intervals of the next 500 days; those that began are never rewritten. Returns how many it added.
    Idempotent.
    """
    now = now or clock.now()
    start = window.compiled_until or min(now, clock.now()) - timedelta(days=40)
    until = now + AHEAD
    added = 0
    for interval in compile_intervals(window.calendar, start=start, end=until):
        _, made = FreezeInterval.objects.get_or_create(
            freeze=window, period=TimestamptzRange(interval.starts, interval.ends, "[)")
        )
        added += made
    FreezeWindow.objects.filter(pk=window.pk).update(compiled_until=until)
    return added


def compile_all(*, now: datetime | None = None) -> int:
    """The daily task: keep every live window compiled ahead."""
    now = now or clock.now()
    return sum(
        compile_ahead(window, now=now)
        for window in FreezeWindow.objects.filter(ended_at=None, compiled_until__lt=now + AHEAD - timedelta(days=30))
    )
