"""What each process has counted, kept in the database: one row a process, written every few seconds, so that a scrape
of any web process meets all processes on all hosts (docs/decisions, on metrics).

A process that has ended keeps what it has counted: its row is folded into one for all that have ended, so that counters
never fall.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction

from kernel import measures
from kernel.measures import Snapshot
from kernel.periodic_jobs import NOT_RUN
from kernel.postgresql import lock_holders

EVERY_SECONDS = 10.0
ENDED_SECONDS = 120.0  # without a sign of life
ENDED = "ended"

Execute = Callable[[str, Mapping[str, Any]], int]
"""Run a statement outside any transaction of the caller; answers how many rows it changed."""

_processes = measures.gauge("processes", "Processes that have reported within two minutes.", ["role"])
_memory = measures.gauge(
    "process_resident_memory_bytes", "Resident memory of all processes of a role; shared pages count in each.", ["role"]
)
_cpu = measures.counter("process_cpu_seconds", "Processor time of all processes of a role.", ["role"])

_UPDATE = """
update kernel_processmetrics
set counted = %(counted)s, beat_at = clock_timestamp()
where process = %(process)s"""
_INSERT = """
insert into kernel_processmetrics (process, counted)
values (%(process)s, %(counted)s)
on conflict (process) do update set counted = excluded.counted, beat_at = clock_timestamp()"""
_TAKE_ENDED = """
delete from kernel_processmetrics
where process <> %s and beat_at < clock_timestamp() - make_interval(secs => %s)
returning counted"""
_READ = "select process, counted from kernel_processmetrics"


class ProcessReport:
    """The row of one process. `role` is what the process does: web, worker, collector, scheduler."""

    def __init__(self, role: str) -> None:
        self.role, self.pid = role, os.getpid()
        self.name = f"{socket.gethostname()}-{self.pid}-{secrets.token_hex(3)}"
        self._next = 0.0
        self._cpu = 0.0
        self._known = False
        self._written: Snapshot = {}
        self._folded: Snapshot = {}

    def snapshot(self) -> Snapshot:
        """What this process has counted, less what was folded while it was taken for ended."""
        _processes.labels(self.role).set(1)
        _memory.labels(self.role).set(_resident())
        used = time.process_time()
        _cpu.labels(self.role).inc(max(0.0, used - self._cpu))
        self._cpu = used
        return measures.less(measures.snapshot(), self._folded) if self._folded else measures.snapshot()

    def write(self, execute: Execute, *, now: bool = False) -> None:
        """Write the row where it is time to; a process that stops says `now`."""
        moment = time.monotonic()
        if moment < self._next and not now:
            return
        self._next = moment + EVERY_SECONDS
        made = self.snapshot()
        row = {"process": self.name, "counted": json.dumps(made)}
        if self._known and not execute(_UPDATE, row):  # it stood still for so long that it was taken for ended
            self._folded = measures.merge(self._folded, self._written)
            made = self.snapshot()
            self._known, row["counted"] = False, json.dumps(made)
        if not self._known:
            execute(_INSERT, row)
            self._known = True
        self._written = made


_mine: ProcessReport | None = None


def mine(role: str) -> ProcessReport:
    """The report of this process; a forked child has one of its own."""
    global _mine
    if _mine is None or _mine.pid != os.getpid():
        _mine = ProcessReport(role)
    return _mine


def fold_ended() -> int:
    """Fold the rows of processes that have ended into one. Returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not lock_holders.alone("ended processes", "kernel_processmetrics"):
            return NOT_RUN
        cursor.execute(_TAKE_ENDED, [ENDED, ENDED_SECONDS])
        gone = [_decoded(counted) for (counted,) in cursor.fetchall()]
        if gone:
            cursor.execute("select counted from kernel_processmetrics where process = %s", [ENDED])
            held = cursor.fetchone()
            total = _decoded(held[0]) if held else {}
            for counted in gone:
                measures.merge(total, counted, ended=True)
            cursor.execute(_INSERT, {"process": ENDED, "counted": json.dumps(total)})
        return len(gone)


def total() -> Snapshot:
    """What all processes have counted, this one up to now."""
    report = _mine if _mine is not None and _mine.pid == os.getpid() else None
    own, made = (report.name, report.snapshot()) if report else ("", measures.snapshot())
    with connection.cursor() as cursor:
        cursor.execute(_READ)
        for process, counted in cursor.fetchall():
            if process != own:
                measures.merge(made, _decoded(counted), ended=process == ENDED)
    return made


def _decoded(value: Any) -> Snapshot:
    made: Snapshot = json.loads(value) if isinstance(value, str | bytes) else value
    return made


def _resident() -> float:
    try:
        with open("/proc/self/statm") as file:
            return float(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
