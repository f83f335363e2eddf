"""What decides about speed, one after the other, in under a quarter of an hour: P1 with its peers, P2, P3 with Celery,
P4 and P10; at the end the rows for docs/benchmarks.md. For a machine that does nothing else.

    python -m bench.quiet [--peers FOLDER] [--tiny] [--only sync,intake,…]

Each measurement is a process of its own with a limit of time; one that fails or takes too long does not stop the
others. Raw output is kept below `bench/.raw`. `--tiny` shows in a minute or two that all of it works; its figures
mean nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.rows import HEAD, command, row

ROOT = Path(__file__).resolve().parent.parent
RAW = ROOT / "bench" / ".raw"
LINES = re.compile(r"^([^:|\n]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """`goal` where the measurement prints lines `what: figure` and makes no row itself; `limit` in seconds."""

    module: str
    usual: str
    tiny: str
    limit: int
    goal: str = ""
    peers: bool = False


STEPS = (
    Step("sync", "--orders 60000 --rounds 2", "--orders 1000 --rounds 2", 270, peers=True),
    Step(
        "intake",
        "--seconds 30 --burst-seconds 60 --restart-seconds 20",
        "--seconds 3 --burst 300 --burst-seconds 3 --restart-seconds 4 --away 2",
        240,
    ),
    Step("small_jobs", "--jobs 10000 --rounds 3 --seconds 0", "--jobs 300 --rounds 2 --seconds 0", 150),
    Step("fanout", "--stores 600", "--stores 20", 90, goal="P4"),
    Step(
        "at_size", "--stores 600 --dead 60000 --behind 100000", "--stores 20 --dead 500 --behind 1000", 150, goal="P4"
    ),
    Step("evidence", "--orders 20000 --jobs 5000 --rounds 5", "--orders 500 --jobs 200 --rounds 2", 180),
)


def run(step: Step, arguments: list[str], limit: float) -> tuple[str, str]:
    """What it printed, and why it failed ("" where it did not)."""
    RAW.mkdir(exist_ok=True)
    log = RAW / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{step.module}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{step.module}", *arguments],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(limit)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as reason:
            end(process)
            if isinstance(reason, KeyboardInterrupt):
                raise
            return log.read_text(), f"not done after {limit:.0f} s"
    return log.read_text(), f"exit {process.returncode}" if process.returncode else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """First as by Ctrl-C, so that servers stop and folders go; then for good, with all that it started."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def rows_of(step: Step, printed: str, ran: str, began: float) -> list[str]:
    if not step.goal:
        return [line for line in printed.splitlines() if line.startswith("| ")]
    found = LINES.findall(printed)
    return [row(step.goal, what, measured=said, met="see goals", ran=ran, began=began) for what, said in found]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, help="folder with the environments that make bench-peers makes")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--patience", type=float, default=1, help="multiplies the limits of time")
    given = parser.parse_args()
    if not given.peers:
        print("without --peers: P1 stands alone, without dlt and Sling", flush=True)
    rows: list[str] = []
    failed: list[str] = []
    began = time.monotonic()
    for step in STEPS:
        if given.only and step.module not in given.only.split(","):
            continue
        arguments = (step.tiny if given.tiny else step.usual).split()
        if step.peers and given.peers:
            arguments += ["--peers", str(given.peers.resolve())]
        ran, load, at = command([f"bench.{step.module}", *arguments]), os.getloadavg()[0], time.monotonic()
        print(f"[{time.monotonic() - began:4.0f} s] {ran}", flush=True)
        printed, reason = run(step, arguments, step.limit * given.patience)
        print(printed.rstrip()[-4000:], flush=True)
        rows += rows_of(step, printed, ran, load)
        failed += [f"{step.module} ({reason})"] if reason else []
        print(f"{step.module}: {time.monotonic() - at:.0f} s {reason}\n", flush=True)
    table = "\n".join([HEAD, "|---|---|---|---|---|---|", *rows])
    (RAW / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-rows.txt").write_text(table + "\n")
    print(
        f"{table}\n\n{time.monotonic() - began:.0f} s in all; "
        + ("failed: " + ", ".join(failed) if failed else "all measured")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
