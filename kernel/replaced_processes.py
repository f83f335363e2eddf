"""Processes that were replaced, as their supervisors noted them: kept for a while, counted, and told to the operators
where one stood still. Supervisors have no database; the next process beside them that has one calls `tell`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from kernel import clock, life_signs, measures, outbox
from kernel.models import ReplacedProcess

KEPT = timedelta(days=30)
SHOWN = timedelta(days=1)
_LIMITS = {"host": 120, "role": 40, "said": 200}  # of the table
REPLACED = measures.counter(
    "processes_replaced",
    "Processes that their supervisor replaced: those that gave no sign of life (`still`) or ended by themselves.",
    ["role", "why"],
)
ROLES = ("web", "web server", "worker", "collector", "scheduler")
for _role in ROLES:
    for _why in ReplacedProcess.Why.values:
        REPLACED.labels(_role, _why)  # from 0 on: `increase` sees nothing of a series that begins with more


def tell() -> int:
    """Store what was noted on this machine; each note once, by the first process that finds it. Returns how many."""
    told = 0
    for file, ended in life_signs.notes():
        why = ReplacedProcess.Why.STILL if ended.why == "still" else ReplacedProcess.Why.ENDED
        host, role, said = (str(getattr(ended, name))[: _LIMITS[name]] for name in ("host", "role", "said"))
        at = datetime.fromtimestamp(ended.at, UTC)
        with transaction.atomic():
            _, new = ReplacedProcess.objects.get_or_create(
                host=host, pid=ended.pid, at=at, defaults={"role": role, "why": why, "said": said}
            )
            if new and why == ReplacedProcess.Why.STILL:
                payload = {"role": role, "process": ended.pid, "host": host, "said": said, "at": at.isoformat()}
                outbox.emit("kernel.process_replaced", key=role, payload=payload)
        file.unlink(missing_ok=True)
        if new:
            REPLACED.labels(role, why).inc()
            told += 1
    return told


def forget() -> int:
    """Drop those of more than a month ago."""
    return ReplacedProcess.objects.filter(at__lt=clock.now() - KEPT).delete()[0]


def lately() -> list[ReplacedProcess]:
    """The last ones of a day, the newest first."""
    return list(ReplacedProcess.objects.filter(at__gte=clock.now() - SHOWN)[:20])
