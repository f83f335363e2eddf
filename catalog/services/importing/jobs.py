"""Imports that a page or the API has requested: kept with their files, executed by a worker, and continued by
another worker when the first one ended early. Items that were imported stay; the same request while the first is
open is the same import."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models import ImportFile, ImportRun
from catalog.services.importing import archives
from catalog.services.importing import run as runs
from catalog.services.importing.named import refs_in
from catalog.services.importing.sources import ImportItem, ImportSource
from catalog.services.importing.target import ImportTarget
from catalog.services.importing.values import storable
from kernel import audit, clock, outbox
from kernel.digest import digest_of
from kernel.errors import Invalid, finding
from kernel.models import User

LEASE: Final = timedelta(seconds=90)
PATIENCE: Final = timedelta(seconds=15)
MOST_ATTEMPTS: Final = 5
MOST_BYTES: Final = 64 * 1024 * 1024
_OPEN: Final = (ImportRun.State.WAITING, ImportRun.State.RUNNING)


_PROGRESS: Final = """
update catalog_importrun
   set done = %s, lease_until = clock_timestamp() + make_interval(secs => %s)
 where id = %s
   and attempts = %s
"""


class _Lost(Exception):
    """Another worker has the run by now."""


def request(
    sources: Sequence[ImportSource],
    *,
    actor: User | None,
    source: str,
    dry_run: bool = False,
    defaults: dict[str, str] | None = None,
    source_key: str = "",
    announce: bool = True,
) -> ImportRun:
    """Keep the files and answer at once; `catalog.import_requested` wakes a worker. Raises what can be known at once:
    Forbidden, Invalid for no files, an archive that cannot be read, too much at once, or a default that names nothing.
    `source_key` names the source, as in `run`. Without `announce` no worker is woken: the caller carries it out."""
    runs.require_steward(actor)
    sources = archives.opened(sources)
    source_key = storable(source_key).strip()[:200]
    if not sources:
        raise Invalid(
            "import.nothing", "There is no file.", {"findings": [finding("/files", "Choose at least one file.")]}
        )
    if sum(len(s.data) for s in sources) > MOST_BYTES:
        raise Invalid(
            "import.too_large", f"More than {MOST_BYTES >> 20} MB at once. Import it in parts, or by the command."
        )
    wanted = {k: v for k, v in (defaults or {}).items() if v}
    ImportTarget(actor=actor, defaults=wanted)
    digest = digest_of(
        {
            "dry_run": dry_run,
            "defaults": wanted,
            "source": source_key,
            "files": [[s.name, digest_of(s.data.hex())] for s in sources],
        }
    )
    with transaction.atomic():
        if actor is not None:  # what one person asks twice at once is one run
            User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        same = ImportRun.objects.filter(actor=actor, digest=digest, state__in=_OPEN).first()
        if same is not None:
            return same
        made = ImportRun.objects.create(
            actor=actor,
            source=storable(source)[:500],
            source_key=source_key,
            dry_run=dry_run,
            defaults=wanted,
            digest=digest,
        )
        ImportFile.objects.bulk_create(
            ImportFile(run=made, position=n, name=storable(s.name)[:500], data=s.data, kind=s.kind)
            for n, s in enumerate(sources, start=1)
        )
        if announce:
            outbox.emit("catalog.import_requested", key=made.pk, payload={"run_id": made.pk})
    return made


def due() -> list[int]:
    """Ids of runs that no worker has taken, or whose worker has stopped renewing its lease."""
    left = Q(lease_until=None, created_at__lt=Now() - PATIENCE) | Q(lease_until__lt=Now())
    rows = ImportRun.objects.filter(state__in=_OPEN).exclude(digest="").filter(left)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:20])


def execute(run_id: int) -> ImportRun | None:
    """Execute a run to its end, from the item that it has reached. None when it has ended, or another worker has it."""
    record = _claim(run_id)
    if record is None:
        return None
    mine = record.attempts
    if mine > MOST_ATTEMPTS:
        _fail(record, f"Stopped after {MOST_ATTEMPTS} attempts: each time the worker ended before the import did.")
        return record
    try:
        files = [ImportSource(f.name, bytes(f.data), kind=f.kind) for f in record.files.order_by("position")]
        with archives.laid_out(files, record.source_key) as sources:
            items = runs.whole(sources, record.source_key)
            _keep(record, mine, total=len(items))
            target = ImportTarget(actor=record.actor, defaults=record.defaults, source=record.source_key)
            target.names.preload(ref for item in items for ref in refs_in(item))
            if record.dry_run:
                _try(record, mine, items, target)
            else:
                for n, item in enumerate(items[record.done :], start=record.done + 1):
                    with transaction.atomic():
                        runs.take(record, n, item, target)
                        _keep(record, mine, done=n)
        with transaction.atomic():
            _keep(record, mine, done=len(items), lease_until=None)
            runs.close(record, len(items))
            record.files.all().delete()
    except _Lost:
        return None
    except Exception as error:  # a run may break in any way; it says so, and what was done stays
        _fail(record, str(error))
        raise
    return record


def _claim(run_id: int) -> ImportRun | None:
    rows = ImportRun.objects.filter(pk=run_id, state__in=_OPEN).exclude(digest="")
    free = rows.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))
    if not free.update(state=ImportRun.State.RUNNING, lease_until=Now() + LEASE, attempts=F("attempts") + 1):
        return None
    ImportRun.objects.filter(pk=run_id, started_at=None).update(started_at=clock.now())
    return ImportRun.objects.select_related("actor").get(pk=run_id)


def _keep(record: ImportRun, mine: int, **values: object) -> None:
    """Note how far it is and stay its worker. Raises _Lost, and with it undoes the step, when another worker has taken
    it over."""
    values.setdefault("lease_until", Now() + LEASE)
    if not ImportRun.objects.filter(pk=record.pk, attempts=mine, state=ImportRun.State.RUNNING).update(**values):
        raise _Lost


def _try(record: ImportRun, mine: int, items: Sequence[ImportItem], target: ImportTarget) -> None:
    """A dry run undoes everything at its end, so how far it is goes over a connection of its own: it is seen
    meanwhile."""
    beside = connection.copy()

    def say(done: int, _total: int, _source: str) -> None:
        with beside.cursor() as cursor:
            cursor.execute(_PROGRESS, [done, LEASE.total_seconds(), record.pk, mine])

    try:
        made = runs.attempt(items, target, say)
    finally:
        beside.close()
    with transaction.atomic():
        _keep(record, mine)
        record.rows.all().delete()
        runs.write_rows(record, made)


def _fail(record: ImportRun, reason: str) -> None:
    with transaction.atomic():
        ImportRun.objects.filter(pk=record.pk, state__in=_OPEN).update(
            state=ImportRun.State.FAILED, finished_at=clock.now(), error=storable(reason)[:2000], lease_until=None
        )
        record.files.all().delete()
        audit.record(
            actor=record.actor,
            verb="catalog.import_failed",
            subject_kind="import",
            subject_id=record.pk,
            after={"error": storable(reason)[:500]},
        )
    record.refresh_from_db()
