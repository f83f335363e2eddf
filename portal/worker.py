"""`python -m portal.worker`: delivery loops and collectors under a process supervisor, and a Celery worker that wakes
the former at once.

Sources are read by processes of their own, the collectors, so that no source delays a delivery, however slow it is.

The loops alone are enough: they poll every second and listen to PostgreSQL's notifications. Celery adds a queue per SLA
tier, so that checkout-critical work never waits behind back-office work. Any number of workers may run, on any number
of hosts. Everything is loaded once, before the loops are forked, so that one that ends is replaced within milliseconds.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

import django

from kernel.postgresql import sessions
from kernel.processes import die_with_parent
from portal import private_state, started_with, trace_export
from portal.process_supervisor import ProcessSupervisor
from runtime.domain.shards import SHARDS

TIERS = (0, 1, 2, 3)
COLLECTORS = 3


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m portal.worker", description="Claims and delivers approved work.")
    parser.add_argument("--tiers", default="0,1,2,3", help="SLA tiers to serve, comma separated")
    parser.add_argument(
        "--loops", type=int, default=1, help="delivery loops, a process each; one that ends is replaced at once"
    )
    parser.add_argument(
        "--collectors",
        type=int,
        default=COLLECTORS,
        help="collectors, a process each, that read sources and deliver nothing; of several, the first one serves the "
        "more urgent half of the tiers alone",
    )
    parser.add_argument(
        "--concurrency", type=int, default=2, help="processes of the Celery worker; 0 for the claim loops alone"
    )
    parser.add_argument(
        "--shards",
        type=shards,
        help=f"serve these shares of all targets only, such as 0-7 or 0,3,5: target number modulo {SHARDS}. Others "
        "must serve the rest; no Celery worker runs beside the loops",
    )
    parser.add_argument("--no-collect", action="store_true", help="the same as --collectors 0")
    made = parser.parse_args(given)
    if made.no_collect:
        made.collectors = 0
    if made.loops < 0 or made.collectors < 0 or made.loops + made.collectors < 1:
        parser.error("--loops and --collectors: at least one process")
    return made


def shards(given: str) -> tuple[int, ...]:
    """ "0-3,8" as numbers."""
    found: set[int] = set()
    for part in given.split(","):
        first, dash, last = part.partition("-")
        if not first.strip().isdecimal() or (dash and not last.strip().isdecimal()):
            raise argparse.ArgumentTypeError(f"{part!r} is no number and no range of numbers, such as 0-7")
        found.update(range(int(first), int(last or first) + 1))
    if not found or max(found) >= SHARDS:
        raise argparse.ArgumentTypeError(f"{given!r}: shards are 0 to {SHARDS - 1}, the smaller number first")
    return tuple(sorted(found))


def collector_tiers(number: int, count: int, tiers: list[int]) -> list[int]:
    """The tiers of one of `count` collectors: slow sources of the less urgent tiers never occupy the first one."""
    return sorted(tiers)[: (len(tiers) + 1) // 2] if number == 0 and count > 1 else tiers


def start_celery(tiers: list[int], concurrency: int) -> subprocess.Popen[bytes]:
    """The Celery worker as a child that the kernel ends with this process."""
    queues = ",".join(f"tier{tier}" for tier in tiers)
    quiet_about_root = ["-W", "ignore:You're running the worker with superuser"]  # a container's root is no user's root
    celery = [
        "-m",
        "celery",
        "-q",
        "-A",
        "portal.celery",
        "worker",
        "-l",
        "warning",
        "--without-gossip",
        "--without-mingle",
    ]
    named = ["-Q", queues, "-c", str(concurrency), "-n", f"wake-{os.getpid()}@%h"]
    command = [sys.executable, *quiet_about_root, *celery, *named]
    environment = dict(os.environ, TILLGATE_ROLE="worker")
    return subprocess.Popen(
        command, env=environment, start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM)
    )


def prepare() -> None:
    """Load what the loops need, without opening a connection. Called before the first fork."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    sessions.serve_as("worker")
    django.setup()
    from runtime.worker import loop

    loop.prepare()


def main() -> int:
    started_with.refuse_wrong_settings()
    private_state.tighten(started_with.state_folder())
    options = arguments()
    tiers = [int(tier) for tier in options.tiers.split(",")]
    prepare()
    from portal import role_checks
    from portal.guard.start import REFUSED, Door
    from runtime.ledger import connections
    from runtime.worker.loop import run_forever

    if (why := connections.refusal()) is not None:
        print(f"tillgate: {why}", file=sys.stderr)
        return 2
    door = Door()
    if door.refused():
        return REFUSED
    role_checks.say()
    from catalog.services import periodic_jobs as catalog_jobs

    def role(number: int) -> str:
        return "worker" if number < options.loops else "collector"

    def loop(number: int) -> int:
        door.wait_until_asked()
        trace_export.start(role(number))
        if number == options.loops + options.collectors - 1:  # a collector, where there is one: it delivers nothing
            catalog_jobs.start_imports()
        try:
            work(number)
        finally:
            trace_export.stop()
        return 0

    def work(number: int) -> None:
        if number < options.loops:
            run_forever(tiers=tiers, shards=options.shards, collect=False)
        else:
            mine = collector_tiers(number - options.loops, options.collectors, tiers)
            run_forever(tiers=mine, deliver=False)

    wakes = options.concurrency and options.loops and options.shards is None
    celery = start_celery(tiers, options.concurrency) if wakes else None
    try:
        return ProcessSupervisor(loop, options.loops + options.collectors, roles=role).run()
    finally:
        if celery is not None:
            celery.terminate()
            try:
                celery.wait(30)
            except subprocess.TimeoutExpired:
                celery.kill()


if __name__ == "__main__":
    sys.exit(main())
