"""The gate at a glance: for each application and environment the newest answer, and what runs there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, OuterRef, Subquery

from catalog.selectors import application_usage, systems
from governance.models import ApplicationRelease, Verdict
from governance.selectors import sight
from kernel.viewer import Viewer

REPORTED_DAYS = 30


@dataclass(frozen=True, slots=True)
class GateCell:
    """The newest answer about an application in an environment that the viewer may see, and what runs there.
    `runs` has each version with the number of its instances; `enforcing` is False where the gate only reports."""

    environment: str
    verdict: Verdict | None
    enforcing: bool
    runs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class GateRow:
    """An application of the catalog with a cell for each environment."""

    application: Any
    cells: tuple[GateCell, ...]


def rows(listed: Iterable[Any], *, viewer: Viewer) -> list[GateRow]:
    """A row for each application: two queries, whatever their number."""
    apps = list(listed)
    places = [key for key, _, _ in systems.environments()]
    newest = _newest([a.key for a in apps], places, viewer)
    running = _running([a.key for a in apps])
    return [
        GateRow(
            app,
            tuple(
                GateCell(
                    place,
                    verdict := newest.get((app.key, place)),
                    verdict is None or is_enforcing(verdict),
                    tuple(sorted(running.get((app.key, place), {}).items())),
                )
                for place in places
            ),
        )
        for app in apps
    ]


def _newest(keys: list[str], places: list[str], viewer: Viewer) -> dict[tuple[str, str], Verdict]:
    seen = sight.verdicts(viewer)
    columns = {
        f"of_{number}": Subquery(
            seen.filter(application=OuterRef("key"), environment=place).order_by("-id").values("pk")[:1]
        )
        for number, place in enumerate(places)
    }
    numbers = [
        pk for row in application_usage.named(keys).annotate(**columns).values_list(*columns) for pk in row if pk
    ]
    found = Verdict.objects.filter(pk__in=numbers).select_related("asked_by").defer("evidence")
    return {(v.application, v.environment): v for v in found}


def _running(keys: list[str]) -> dict[tuple[str, str], dict[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    live = ApplicationRelease.objects.filter(application__in=keys, ended_at=None)
    for application, environment, version in live.values_list("application", "environment", "version"):
        versions = found.setdefault((application, environment), {})
        versions[version] = versions.get(version, 0) + 1
    return found


def is_enforcing(verdict: Verdict) -> bool:
    """False where the answer is only reported so far, and blocks nobody."""
    return json.loads(verdict.answer).get("enforcing", True) is True


def answers(application: str, *, viewer: Viewer, environment: str = "", before: int | None = None) -> Any:
    """Answers about an application that the viewer may see, the newest first, from below a number on."""
    found = sight.verdicts(viewer).filter(application=application).defer("evidence").order_by("-id")
    if environment:
        found = found.filter(environment=environment)
    return found.filter(pk__lt=before) if before else found


def only_reported(now: datetime, *, viewer: Viewer, limit: int = 50) -> list[Verdict]:
    """Of each application and environment the newest answer that blocked nobody although it was no yes, within 30 days:
    what would have been stopped if the gate were enforcing."""
    recent = sight.verdicts(viewer).filter(at__gte=now - timedelta(days=REPORTED_DAYS)).exclude(word="allow")
    newest = recent.values("application", "environment").annotate(newest=Max("pk")).values("newest")
    found = Verdict.objects.filter(pk__in=newest).defer("evidence").order_by("-id")[: limit * 4]
    return [verdict for verdict in found if not is_enforcing(verdict)][:limit]


def document(verdict: Verdict) -> Mapping[str, Any]:
    """The answer as it was given."""
    read: Mapping[str, Any] = json.loads(verdict.answer)
    return read
