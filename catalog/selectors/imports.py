"""Bulk imports and their reports: architects see all of them, everybody else their own. A report names what was
imported, restricted APIs included."""

from __future__ import annotations

from django.db.models import QuerySet

from catalog import permissions
from catalog.models import ImportedThing, ImportRun
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


def source_names(viewer: Viewer) -> list[str]:
    """The named sources of which something is in the catalog, for those who import."""
    if not permissions.may_steward(viewer):
        return []
    rows = ImportedThing.objects.exclude(source="").values_list("source", flat=True)
    return list(rows.order_by("source").distinct()[:200])
