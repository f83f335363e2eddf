"""Tell the teams of the consumers of a version that ends: once a step, and again until they say where they go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from catalog.domain import lifecycle, sunset_schedule
from catalog.domain.facts import ConsumerFacts
from catalog.models import ApiVersion, Application, SunsetNotice
from catalog.selectors import consumers, teams
from kernel import clock, outbox

Said = dict[str, datetime]


def tell_due(now: datetime | None = None, *, version_id: int | None = None) -> int:
    """Tell everybody who is due, of one version or of all. Returns how many applications were told. Idempotent: two
    processes that do it at once tell each step once."""
    moment = now or clock.now()
    ending = ApiVersion.objects.select_related("api__owner_team", "successor__api").filter(
        state__in=lifecycle.LIVE, deprecated_at__isnull=False, sunset_at__isnull=False
    )
    versions = {v.pk: v for v in (ending.filter(pk=version_id) if version_id else ending)}
    if not versions:
        return 0
    said = _said(versions.values())
    told = 0
    for (version, application), uses in _live(versions, moment).items():
        row = versions[version]
        step = sunset_schedule.due(
            sunset_at=row.sunset_at,  # type: ignore[arg-type]
            now=moment,
            said=said[version, application],
            answered=all(use.has_answered for use in uses),
        )
        told += step is not None and _tell(row, application, uses, step, moment)
    return told


def _live(versions: Iterable[int], now: datetime) -> dict[tuple[int, str], list[ConsumerFacts]]:
    """The uses of each application of each version that would notice its end, without those that have moved."""
    found: dict[tuple[int, str], list[ConsumerFacts]] = defaultdict(list)
    for use in consumers.of_versions(list(versions), limit=None):
        if use.is_live and not use.has_moved(now):
            found[use.version_id, use.application_key].append(use)
    return found


def _said(versions: Iterable[ApiVersion]) -> dict[tuple[int, str], Said]:
    """What was told of the sunsets that these versions have now: an earlier promise does not count."""
    sunsets = {v.pk: v.sunset_at for v in versions}
    found: dict[tuple[int, str], Said] = defaultdict(dict)
    rows = SunsetNotice.objects.filter(version__in=sunsets).values_list(
        "version_id", "application__key", "sunset_at", "step", "at"
    )
    for version, application, sunset_at, step, at in rows:
        if sunsets[version] == sunset_at:
            found[version, application][step] = at
    return found


def _tell(version: ApiVersion, application: str, uses: list[ConsumerFacts], step: str, now: datetime) -> bool:
    """Write the notice and hand it to the outbox. False where another process was first."""
    sunset_at: datetime = version.sunset_at  # type: ignore[assignment]
    app = Application.objects.get(key=application)
    people = len(teams.members(app.team_id)) if app.team_id else 0
    with transaction.atomic():
        _, new = SunsetNotice.objects.get_or_create(
            version=version, application=app, sunset_at=sunset_at, step=step, defaults={"people": people, "at": now}
        )
        if new:
            outbox.emit("catalog.sunset_notice", key=str(version), payload=_payload(version, app, uses, step, now))
    return new


def _payload(
    version: ApiVersion, app: Application, uses: list[ConsumerFacts], step: str, now: datetime
) -> dict[str, Any]:
    sunset_at: datetime = version.sunset_at  # type: ignore[assignment]
    days = [use.moves_on for use in uses if use.moves_on]
    return {
        "version_id": version.pk,
        "application": app.key,
        "team": app.team_id,
        "owner_team": version.api.owner_team_id,
        "step": step,
        "sunset_at": sunset_at.isoformat(),
        "days_left": (sunset_at - now).days,
        "successor": str(version.successor) if version.successor else None,
        "environments": sorted({use.environment for use in uses}),
        "calls": sum(use.calls or 0 for use in uses),
        "answered": all(use.has_answered for use in uses),
        "moves_on": max(days).isoformat() if days else None,
    }
