"""Planned hours in which a deprecated version is refused on purpose."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import ApiVersion, BrownOut, Environment
from catalog.selectors import consumers
from catalog.services.findings import Findings
from catalog.services.locked_rows import locked_version
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, NotFound
from kernel.models import User
from kernel.viewer import Viewer

NOTICE: Final = timedelta(days=1)
LONGEST: Final = timedelta(hours=24)


def plan(
    reference: str, *, actor: User, environment: str, starts_at: datetime, ends_at: datetime, note: str = ""
) -> BrownOut:
    """Plan one. Its consumers are told at once, so it begins a day from now at the earliest and lasts a day at most.

    Raises NotFound for an unknown version, Forbidden for others than its owner, Conflict `brown_out.not_deprecated`
    for a version that does not end, Invalid `brown_out.dates` with every finding.
    """
    with transaction.atomic():
        version = locked_version(reference)
        _require_owner(version, actor)
        if version.state != lifecycle.DEPRECATED:
            raise Conflict(
                "brown_out.not_deprecated",
                f"{version} is {version.state}. Only a deprecated version can be refused for some hours.",
            )
        place = _place(version, environment, starts_at, ends_at)
        made = BrownOut.objects.create(
            version=version, environment=place, starts_at=starts_at, ends_at=ends_at, note=note, planned_by=actor
        )
        _announce(made, "brown_out_planned", actor)
    return made


def cancel(reference: str, brown_out_id: int, *, actor: User) -> BrownOut:
    """Take one back that is not over. Idempotent. Raises NotFound, Forbidden, Conflict `brown_out.over`."""
    with transaction.atomic():
        version = locked_version(reference)
        _require_owner(version, actor)
        row = (
            BrownOut.objects.select_related("version__api", "environment")
            .filter(pk=brown_out_id, version=version)
            .first()
        )
        if row is None:
            raise NotFound("brown_out.unknown", f"{version} has no brown-out {brown_out_id}.")
        if row.cancelled_at is not None:
            return row
        if row.ends_at <= clock.now():
            raise Conflict("brown_out.over", f"This brown-out ended on {row.ends_at:%d %b %Y at %H:%M} UTC.")
        row.cancelled_at, row.cancelled_by = clock.now(), actor
        row.save(update_fields=["cancelled_at", "cancelled_by"])
        _announce(row, "brown_out_cancelled", actor)
    return row


def _require_owner(version: ApiVersion, actor: User) -> None:
    allowed = permissions.may_change_api(Viewer.of(actor), version.api)
    if not allowed:
        raise Forbidden("api.not_yours", allowed.reason)


def _place(version: ApiVersion, environment: str, starts_at: datetime, ends_at: datetime) -> Environment:
    """The environment. Raises Invalid `brown_out.dates` with every finding."""
    found, now = Findings(), clock.now()
    place = Environment.objects.filter(key=environment).first() if "\x00" not in environment else None
    if place is None:
        found.add("/environment", f"There is no environment {environment[:60]!r}.")
    if starts_at < now + NOTICE:
        found.add("/starts_at", "Begin a day from now at the earliest: its consumers are told first.")
    if ends_at <= starts_at:
        found.add("/ends_at", "Choose an end after the begin.")
    elif ends_at - starts_at > LONGEST:
        found.add("/ends_at", "A brown-out lasts 24 hours at most.")
    if place is not None:
        other = BrownOut.objects.filter(
            version=version, environment=place, cancelled_at=None, starts_at__lt=ends_at, ends_at__gt=starts_at
        ).first()
        if other is not None:
            found.add("/starts_at", f"Another one is planned from {other.starts_at:%d %b %Y %H:%M} UTC.")
    found.require_none("brown_out.dates", "The brown-out cannot be planned; see the findings.")
    assert place is not None
    return place


def _announce(row: BrownOut, verb: str, actor: User) -> None:
    reference = str(row.version)
    live = consumers.live_of_version(row.version_id, environment=row.environment.key)
    facts: dict[str, Any] = {
        "environment": row.environment.key,
        "starts_at": row.starts_at.isoformat(),
        "ends_at": row.ends_at.isoformat(),
        "note": row.note,
    }
    audit.record(
        actor=actor, verb=f"catalog.{verb}", subject_kind="version", subject_id=reference, after={"id": row.pk, **facts}
    )
    payload = {
        "version_id": row.version_id,
        "brown_out": row.pk,
        **facts,
        "applications": sorted({use.application_key for use in live}),
        "teams": sorted({use.team_id for use in live if use.team_id}),
    }
    outbox.emit(f"catalog.{verb}", key=reference, payload=payload)
