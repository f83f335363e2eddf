"""Where the time of a sale over HTTP goes: the product's web application with a mark at each stage of each request.

    python -m bench.intake --stages

The marks are written to the file that BENCH_STAGES names, one line a request: its id, then monotonic seconds and CPU
seconds of the thread at each stage. `table` puts them beside the tills' own times.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from portal import web_server

STAGES = (
    "arrived",  # the front's loop begins
    "read",  # the body is there
    "thread",  # a thread has it
    "authenticated",
    "storing",  # at the group commit
    "asked",  # a connection is there, the call is checked
    "locked",  # lanes and heads
    "stored",  # committed
    "answered",  # the thread is done
    "sent",
)
_now = threading.local()
Marks = dict[str, tuple[float, float]]


def application() -> Any:
    """The product's application, with marks."""
    from portal import asgi
    from portal.front import application as front

    out = open(os.environ["BENCH_STAGES"], "a")  # noqa: SIM115 - as long as the process
    _instrument(front)

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        marks: Marks = {}
        scope["stages"] = marks
        _mark(marks, "arrived")
        await asgi.application(scope, receive, send)
        _mark(marks, "sent")
        if "stored" in marks:
            name = next((value.decode() for key, value in scope["headers"] if key == b"x-request-id"), "")
            out.write(json.dumps([name, marks]) + "\n")
        if scope["type"] == "lifespan":
            out.flush()

    return serve


def server(port: int) -> list[str]:
    """What follows the interpreter."""
    return [*web_server.arguments(port)[:-1], "--factory", "bench.stages:application"]


def _mark(marks: Marks | None, stage: str) -> None:
    if marks is not None:
        marks[stage] = (time.monotonic(), time.thread_time())


def _after(owner: Any, name: str, stage: str) -> None:
    """Mark the stage when the function has returned."""
    inner: Callable[..., Any] = getattr(owner, name)

    def marked(*given: Any, **more: Any) -> Any:
        try:
            return inner(*given, **more)
        finally:
            _mark(getattr(_now, "marks", None), stage)

    setattr(owner, name, marked)


def _before(owner: Any, name: str, stage: str) -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    def marked(*given: Any, **more: Any) -> Any:
        _mark(getattr(_now, "marks", None), stage)
        return inner(*given, **more)

    setattr(owner, name, marked)


def _instrument(front: Any) -> None:
    from kernel import tokens
    from runtime.ledger import append
    from runtime.services import intake

    environ_of, call = front.environ_of, front.call

    def environ_marked(scope: Any, *more: Any) -> Any:
        _mark(scope.get("stages"), "read")
        return environ_of(scope, *more) | {"stages": scope.get("stages")}

    def call_marked(django: Any, environ: Any) -> Any:
        _now.marks = environ["stages"]
        _mark(_now.marks, "thread")
        try:
            return call(django, environ)
        finally:
            _mark(_now.marks, "answered")
            _now.marks = None

    front.environ_of, front.call = environ_marked, call_marked
    _after(tokens, "find", "authenticated")
    _before(intake, "accept", "storing")
    _before(intake, "append", "asked")
    _after(append, "_lock", "locked")
    _after(intake, "append", "stored")


def table(path: Path, calls: Mapping[str, tuple[float, float, float]]) -> str:
    """Each stage's share of the answer time. `calls`: by id when a sale was due, sent and answered."""
    rows: list[dict[str, float]] = []
    for line in path.read_text().splitlines():
        name, marks = json.loads(line)
        if name not in calls:
            continue
        due, began, ended = calls[name]
        at = [("due", due), ("till sends", began), *((stage, marks[stage][0]) for stage in STAGES if stage in marks)]
        at.append(("till has it", ended))
        row = {name: (now - before) * 1000 for (_, before), (name, now) in itertools.pairwise(at)}
        row["in all"] = (ended - due) * 1000
        cpu = [("thread", 0.0), *((stage, marks[stage][1]) for stage in STAGES[2:9] if stage in marks)]
        row |= {f"CPU, {name}": (now - before) * 1000 for (_, before), (name, now) in itertools.pairwise(cpu[1:])}
        rows.append(row)
    if not rows:
        return "no call has all marks"
    slow = sorted(rows, key=lambda row: -row["in all"])[: max(1, len(rows) // 50)]
    lines = [f"{len(rows)} calls; ms until each stage is reached, of all; mean of the slowest 2 %"]
    for stage in dict.fromkeys(name for row in rows for name in row):
        took = [row[stage] for row in rows if stage in row]
        lines.append(f"{stage:>20}: {_line(took)}; {_mean([row.get(stage, 0.0) for row in slow]):.2f}")
    return "\n".join(lines)


def _line(took: Sequence[float]) -> str:
    parts = quantiles([*took, took[0]], n=100)
    return f"mean {_mean(took):.2f}, p50 {median(took):.2f}, p95 {parts[94]:.2f}, p99 {parts[98]:.2f}"


def _mean(took: Sequence[float]) -> float:
    return sum(took) / len(took)
