"""Bulk imports and their reports: architects see all of them, everybody else their own. A report names what was
imported, restricted APIs included."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from catalog import permissions
from catalog.models import ImportedThing, ImportRun, ImportSchedule
from kernel.errors import Forbidden, NotFound
from kernel.viewer import Viewer


def seen(viewer: Viewer) -> QuerySet[ImportRun]:
    """Those that the viewer may see, the newest first."""
    rows = ImportRun.objects.select_related("actor")
    return rows if permissions.may_steward(viewer) else rows.filter(actor_id=viewer.id, actor__isnull=False)


def one(viewer: Viewer, run_id: int) -> ImportRun:
    """Raises NotFound `import.unknown`; Forbidden `import.not_yours` where somebody else began it."""
    run = seen(viewer).filter(pk=run_id).first()
    if run is not None:
        return run
    if ImportRun.objects.filter(pk=run_id).exists():
        raise Forbidden("import.not_yours", permissions.may_steward(viewer).reason)
    raise NotFound("import.unknown", f"There is no import {run_id}.")


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A named source: what of the catalog came from it, and its last import. `gone`: what that import found to be
    named no more, `differs`: what needs a decision."""

    name: str
    things: int
    run: ImportRun | None
    gone: int
    differs: int


def sources(viewer: Viewer) -> list[SourceLine]:
    """The named sources of which something is in the catalog, for those who import; at most 200."""
    if not permissions.may_steward(viewer):
        return []
    named = ImportedThing.objects.exclude(source="").values("source").annotate(things=Count("pk")).order_by("source")
    things = {row["source"]: row["things"] for row in named[:200]}
    done = ImportRun.objects.filter(source_key__in=things, dry_run=False, state=ImportRun.State.DONE, choice="")
    last = done.order_by("source_key", "-pk").distinct("source_key").values("pk")
    found = ImportRun.objects.filter(pk__in=last).annotate(
        gone=Count("rows", filter=Q(rows__code="import.gone")),
        differs=Count("rows", filter=Q(rows__code="import.differs")),
    )
    runs = {run.source_key: run for run in found}
    return [
        SourceLine(name, count, run, getattr(run, "gone", 0), getattr(run, "differs", 0))
        for name, count in things.items()
        for run in [runs.get(name)]
    ]


def schedules(viewer: Viewer) -> list[ImportSchedule]:
    """What is imported every night, for those who import; at most 200."""
    if not permissions.may_steward(viewer):
        return []
    return list(ImportSchedule.objects.select_related("last_run", "team")[:200])
