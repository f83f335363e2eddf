"""Sources that are imported every night: the differences first, then what differs, and a word to people where something
needs one of them.

A worker carries the night's import out. Who asks for it is the operator, by `manage.py import_nightly`: a place on a
machine is not for pages.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from catalog.models import ImportRun, ImportSchedule, Team
from catalog.services.importing import jobs, places
from catalog.services.importing.target import ImportTarget
from catalog.services.importing.values import storable
from kernel import audit, clock, outbox
from kernel.digest import digest_of
from kernel.errors import DomainError, Invalid, NotFound
from kernel.models import User
from kernel.ui.wording import counted

log = logging.getLogger(__name__)
ALWAYS: Final = "always"
CLEAN: Final = "clean"
NEVER: Final = "never"
APPLIES: Final = (ALWAYS, CLEAN, NEVER)
_PERSON: Final = {"refused": "not understood", "differs": "to decide", "gone": "no longer named"}


def set_schedule(
    source: str,
    *,
    kind: str,
    location: str,
    hour: int,
    apply: str,
    team: str,
    defaults: dict[str, str],
    actor: User | None,
) -> ImportSchedule:
    """Import this source every night from now on, or in another way than before. Raises Invalid."""
    source = storable(source).strip()[:200]
    if not source:
        raise Invalid("import.source", "Give the source a name.")
    if not 0 <= hour <= 23:
        raise Invalid("import.hour", f"The hour {hour} is none of a day: choose one of 0 to 23, in UTC.")
    if apply not in APPLIES:
        raise Invalid("import.apply", f"Choose one of: {', '.join(APPLIES)}.")
    places.check(kind, location)
    told = Team.objects.filter(key=team, retired_at=None).first() if team else None
    if team and told is None:
        raise Invalid("import.team", f"There is no team {team[:60]!r}.")
    wanted = {k: v for k, v in defaults.items() if v}
    ImportTarget(actor=actor, defaults=wanted)
    values: dict[str, Any] = {"kind": kind, "location": location, "hour": hour, "apply": apply, "defaults": wanted}
    with transaction.atomic():
        made, _ = ImportSchedule.objects.update_or_create(
            source=source, defaults={**values, "team": told, "told": "", "error": ""}
        )
        audit.record(
            actor=actor,
            verb="catalog.import_schedule_set",
            subject_kind="import",
            subject_id=source[:120],
            after={**values, "team": team},
        )
    return made


def remove(source: str, *, actor: User | None) -> None:
    """No longer every night. What it brought stays. Raises NotFound."""
    with transaction.atomic():
        if not ImportSchedule.objects.filter(source=source).delete()[0]:
            raise NotFound("import.no_schedule", f"No source {source[:100]!r} is imported every night.")
        audit.record(
            actor=actor,
            verb="catalog.import_schedule_removed",
            subject_kind="import",
            subject_id=source[:120],
            after={},
        )


def run_due() -> int:
    """Carry out the night's imports that nobody has begun; returns how many."""
    now = clock.now()
    waiting = ImportSchedule.objects.filter(hour__lte=now.hour).filter(Q(done_on=None) | Q(done_on__lt=now.date()))
    done = 0
    for schedule in waiting.order_by("hour", "source")[:100]:
        if _begin(schedule, now.date()):
            carry(schedule)
            done += 1
    return done


def _begin(schedule: ImportSchedule, day: Any) -> bool:
    rows = ImportSchedule.objects.filter(pk=schedule.pk).filter(Q(done_on=None) | Q(done_on__lt=day))
    return rows.update(done_on=day) == 1


def carry(schedule: ImportSchedule) -> ImportRun | None:
    """One import of a source: its differences, then what differs where that is wanted. None where nothing differs, or
    where it could not be read."""
    try:
        found = places.read(schedule.kind, schedule.location)
        diff = _import(schedule, found, dry_run=True)
    except DomainError as error:
        _unread(schedule, error.message)
        return None
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # what is wrong with one source is its own
        log.exception("the nightly import of %s failed", schedule.source)
        _unread(schedule, f"It cannot be taken in ({type(error).__name__}).")
        return None
    needs = {word: _count(diff, word) for word in _PERSON}
    differ = diff.rows.filter(outcome__in=["created", "changed"]).count()
    wanted = schedule.apply == ALWAYS or (schedule.apply == CLEAN and not needs["refused"] and not needs["differs"])
    if not differ and not _is_new(diff, schedule, waits=False):
        diff.delete()
        ImportSchedule.objects.filter(pk=schedule.pk).update(error="")
        return None
    run = diff
    if wanted and (differ or needs["gone"]):
        run = _import(schedule, found, dry_run=False)
    waits = differ if not wanted else 0
    with transaction.atomic():
        if _is_new(run, schedule, waits=bool(waits)):
            _tell(schedule, run, needs, waits)
        ImportSchedule.objects.filter(pk=schedule.pk).update(
            last_run=run, error="", told=_needs_digest(run, waits=bool(waits))
        )
    return run


def _import(schedule: ImportSchedule, found: places.PlaceRead, *, dry_run: bool) -> ImportRun:
    name = f"{schedule.source} at {found.state[:12]}" if found.state else schedule.source
    asked = jobs.request(
        found.sources,
        actor=None,
        source=name,
        dry_run=dry_run,
        defaults=schedule.defaults,
        source_key=schedule.source,
        announce=False,
    )
    run = jobs.execute(asked.pk)
    if run is None or run.state != ImportRun.State.DONE:
        raise Invalid("import.under_way", "Another worker carries it out, or it stopped: see its report.")
    return run


def _count(run: ImportRun, word: str) -> int:
    rows = run.rows.filter(outcome="refused") if word == "refused" else run.rows.filter(code=f"import.{word}")
    return rows.count()


def _needs_digest(run: ImportRun, *, waits: bool) -> str:
    """What of a run needs a person, in short: the same is told once."""
    rows = run.rows.filter(Q(outcome="refused") | Q(code__in=["import.differs", "import.gone"]))
    found = [list(row) for row in rows.order_by("source", "code").values_list("source", "reference", "code")]
    if waits:
        waiting = run.rows.filter(outcome__in=["created", "changed"]).order_by("source", "reference")
        found += [list(row) for row in waiting.values_list("source", "reference", "outcome")]
    return digest_of(found) if found else ""


def _is_new(run: ImportRun, schedule: ImportSchedule, *, waits: bool) -> bool:
    digest = _needs_digest(run, waits=waits)
    return bool(digest) and digest != schedule.told


def _tell(schedule: ImportSchedule, run: ImportRun, needs: dict[str, int], waits: int) -> None:
    said = [f"{count} {_PERSON[word]}" for word, count in needs.items() if count]
    if waits:
        said.insert(0, f"{counted(waits, 'difference')} to take over")
    outcome = "" if waits else next((word for word, count in needs.items() if count), "")
    _announce(schedule, f"Import of {schedule.source}: {', '.join(said)}", run.pk, outcome)


def _unread(schedule: ImportSchedule, message: str) -> None:
    with transaction.atomic():
        if message != schedule.error:
            text = f"Import of {schedule.source}: its place could not be read. {message}"
            _announce(schedule, text, None, "")
        ImportSchedule.objects.filter(pk=schedule.pk).update(error=storable(message)[:1000])


def _announce(schedule: ImportSchedule, text: str, run: int | None, outcome: str) -> None:
    team = schedule.team_id
    payload = {"text": text[:300], "team": team, "run_id": run, "outcome": outcome}
    outbox.emit("catalog.import_needs_person", key=schedule.source[:100], payload=payload)
