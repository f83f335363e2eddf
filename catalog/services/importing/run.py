"""One import: its progress and its report as rows. Running it again gives the same result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from catalog import permissions
from catalog.models import ImportRow, ImportRun
from catalog.services.importing import (
    archives,
    backstage,
    contract_files,
    identity,
    listed,
    naming_twice,
    odcs,
    tables,
    unnamed,
)
from catalog.services.importing.named import refs_in
from catalog.services.importing.sources import ImportItem, ImportSource, files_of, items_of
from catalog.services.importing.target import ImportOutcome, ImportTarget
from catalog.services.importing.values import storable
from kernel import audit, clock
from kernel.constraints import violated
from kernel.errors import DomainError, Forbidden, Invalid
from kernel.models import User
from kernel.viewer import Viewer

log = logging.getLogger(__name__)
PROGRESS = 10  # items between two notes of how far an import is
Progress = Callable[[int, int, str], None]


class _Undo(Exception):
    """Ends a dry run: everything but its report is rolled back."""


@dataclass(slots=True)
class _Made:
    item: ImportItem
    outcome: ImportOutcome


def read_sources(path: Path) -> list[ImportSource]:
    """The files behind a path. Raises Invalid `import.nothing` when there is nothing to read."""
    if not path.exists():
        raise Invalid("import.nothing", f"There is nothing at {path}.")
    found = archives.opened(files_of(path))
    if not found:
        raise Invalid(
            "import.nothing", f"Below {path} lies no .json, .yaml, .graphql, .wsdl, .xsd, .edmx, .xml or .csv file."
        )
    return found


def run(
    sources: Sequence[ImportSource],
    *,
    actor: User | None,
    source: str,
    dry_run: bool = False,
    defaults: dict[str, str] | None = None,
    progress: Progress | None = None,
    source_key: str = "",
) -> ImportRun:
    """Import everything that can be understood, each item in a transaction of its own, so that one bad file does not
    stop the rest.

    `defaults` may name `owner_team`, `domain`, `layer`, `tier` for APIs that state none, and with `state` that new
    versions are published whose source says no state: otherwise they are drafts. Their origin is `imported`: the gate
    answers `unknown` about them and only reports, until a decision or `enforced_from`. A dry run does the same work in
    one transaction and undoes it, except for its report. Raises Forbidden for people who are not architects, Invalid
    when a default is unknown. `source_key` names the source: what it named before and names no more is listed, and
    nothing of it is changed by another source.
    """
    require_steward(actor)
    source_key = storable(source_key)[:200]
    target = ImportTarget(actor=actor, defaults=defaults or {}, source=source_key)
    items = whole(sources, source_key)
    target.names.preload(ref for item in items for ref in refs_in(item))
    record = ImportRun.objects.create(
        actor=actor,
        source=storable(source)[:500],
        source_key=source_key,
        dry_run=dry_run,
        state=ImportRun.State.RUNNING,
        total=len(items),
        started_at=clock.now(),
    )
    try:
        if dry_run:
            write_rows(record, attempt(items, target, progress))
        else:
            _take_all(record, items, target, progress)
    except BaseException as error:
        ImportRun.objects.filter(pk=record.pk).update(
            state=ImportRun.State.FAILED, finished_at=clock.now(), error=storable(str(error))[:2000]
        )
        raise
    with transaction.atomic():
        close(record, len(items))
    return record


def whole(sources: Sequence[ImportSource], source_key: str) -> list[ImportItem]:
    """Everything to import, and after it what a named source named before and names no more. Where somebody has to look
    before anybody knows what a file or a part of it names, nothing is said to be gone."""
    items = naming_twice.told(items_of(sources))
    named = {ref for item in items for ref in refs_in(item)}
    gone = identity.no_longer_named(source_key, named)
    if not gone or unnamed.hides_a_name(items, gone, source_key):
        return items
    return items + [ImportItem(thing.ref, "gone", 99, (thing.ref,), thing) for thing in gone]


def _take_all(record: ImportRun, items: Sequence[ImportItem], target: ImportTarget, progress: Progress | None) -> None:
    for n, item in enumerate(items, start=1):
        with transaction.atomic():
            take(record, n, item, target)
            if n % PROGRESS == 0 or n == len(items):
                ImportRun.objects.filter(pk=record.pk).update(done=n)
        if progress:
            progress(n, len(items), item.source)


def require_steward(actor: User | None) -> None:
    """Raises Forbidden for people who are not architects; None is the system itself."""
    if actor is not None:
        allowed = permissions.may_steward(Viewer.of(actor))
        if not allowed:
            raise Forbidden("import.not_yours", allowed.reason)


def take(record: ImportRun, position: int, item: ImportItem, target: ImportTarget) -> None:
    """Import one item and write its row, in the caller's transaction."""
    _row(record, position, _Made(item, _import(item, target))).save()


def close(record: ImportRun, total: int) -> None:
    """Close the run with its counts in the audit log, in the caller's transaction."""
    record.state, record.total, record.done, record.finished_at = ImportRun.State.DONE, total, total, clock.now()
    record.save(update_fields=["state", "total", "done", "finished_at"])
    counts = {o: record.rows.filter(outcome=o).count() for o in ImportRow.Outcome.values}
    audit.record(
        actor=record.actor,
        verb="catalog.estate_imported",
        subject_kind="import",
        subject_id=record.pk,
        after={"source": record.source, "dry_run": record.dry_run, **counts},
    )


def write_rows(record: ImportRun, made: Sequence[_Made]) -> None:
    ImportRow.objects.bulk_create(_row(record, n, one) for n, one in enumerate(made, start=1))


def attempt(items: Sequence[ImportItem], target: ImportTarget, progress: Progress | None) -> list[_Made]:
    """Do all of it in one transaction and undo it; what would have become of each item."""
    made = []
    try:
        with transaction.atomic():
            for n, item in enumerate(items, start=1):
                made.append(_Made(item, _import(item, target)))
                if progress:
                    progress(n, len(items), item.source)
            raise _Undo
    except _Undo:
        return made


def _import(item: ImportItem, target: ImportTarget) -> ImportOutcome:
    """What became of one item. Whatever is wrong with it is its own: only a database that is away ends the import."""
    try:
        with transaction.atomic():
            if item.kind == "contract":
                return contract_files.take(item, target)
            if item.kind == "csv":
                return tables.take(item, target)
            if item.kind == "backstage":
                return backstage.take(item, target)
            if item.kind == "odcs":
                return odcs.take(item, target)
            if item.kind == "listed":
                return listed.take(item, target)
            if item.kind == "aside":
                return ImportOutcome("unchanged", "", "import.not_here", f"Nothing to do here: {item.value}.")
            if item.kind == "gone":
                return ImportOutcome("unchanged", item.value.key, "import.gone", identity.mark_gone(item.value))
            if item.kind == "leave":
                return item.value(target)  # type: ignore[no-any-return]
            raise item.value
    except DomainError as error:
        target.names.clear()
        told = [f for f in error.findings if str(f.get("message", "")).rstrip(".") not in error.message]
        details = "; ".join(f"{f.get('pointer') or '/'}: {f['message']}" for f in told[:5])
        return ImportOutcome("refused", "", error.code, f"{error.message}{f' ({details})' if details else ''}")
    except IntegrityError as error:
        target.names.clear()
        message = f"The database refuses this: {violated(error) or error}"
        return ImportOutcome("refused", "", "import.refused_by_database", message)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # an item may be odd in a way that nobody has thought of
        target.names.clear()
        log.exception("an item of an import failed: %s", item.source)
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
        message = f"This cannot be taken in ({said}). Nothing of it was kept; the next ones go on."
        return ImportOutcome("refused", "", "import.failed", message)


def _row(record: ImportRun, position: int, made: _Made) -> ImportRow:
    outcome = made.outcome
    return ImportRow(
        run=record,
        position=position,
        source=storable(made.item.source)[:500],
        outcome=outcome.outcome,
        reference=storable(outcome.reference)[:300],
        code=outcome.code[:100],
        message=storable(outcome.message)[:4000],
    )
