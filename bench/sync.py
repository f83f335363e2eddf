"""P1: orders from a local REST source into PostgreSQL, through the product with every guarantee on, and through dlt in
the same run.

    python -m bench.sync [--orders 200000] [--rounds 1] [--dlt /path/to/venv/bin/python]

The product: contract check, deduplication, durable log, gate at every batch, mapping, evidence, upsert; then the same
again with nothing changed, and with everything changed. dlt runs in an environment of its own (`pip install
"dlt[postgres]"`), on the same server, against the same source. CPU counts client and PostgreSQL, not the source. Ratios
count; rates are of this machine.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.installation import Installation, free_port
from bench.measure import cpu, peak_memory


@contextmanager
def source(port: int, count: int, generation: int) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.order_server", str(port), str(count), "1000", str(generation)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_product(installed: Installation, count: int, workers: int) -> dict[str, float]:
    """One run of the feed from start to the last row, by worker processes that are already up."""
    from runtime.services import runs

    roles = ["collect", "deliver"] if workers == 2 else ["both"] * workers
    processes = [installed.worker(role) for role in roles]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    roots = [installed.postgres_pid, *(process.pid for process in processes)]
    with installed.connect() as conn:
        spent, wal, started = cpu(roots), _wal(conn), time.perf_counter()
        run = runs.start("order-feed", "production", trigger="manual")
        while not _finished(conn, run.pk):
            time.sleep(0.1)  # each look costs CPU that counts
        wall, used = time.perf_counter() - started, cpu(roots) - spent
        memory = max(peak_memory(process.pid) for process in processes)
        bytes_each = (_wal(conn) - wal) / count
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait()
    run.refresh_from_db()
    if run.read != count or run.rejected_count:
        raise SystemExit(f"the run read {run.read} of {count} and refused {run.rejected_count}: {run.error}")
    return {"wall": wall, "cpu": used, "memory": memory, "wal": bytes_each}


def _wal(conn: Any) -> float:
    return float(conn.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])


def _finished(conn: Any, run: int) -> bool:
    row = conn.execute(
        """select (select state from runtime_run where id = %s) <> 'running'
              and not exists (select
                                from runtime_progress p
                                join runtime_subscription s on s.id = p.subscription_id
                                join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
                               where p.position < l.next - 1)""",
        (run,),
    ).fetchone()
    return bool(row[0])


def run_dlt(python: Path, installed: Installation, base: str, dataset: str) -> dict[str, float]:
    pid = installed.postgres_pid
    spent = cpu([pid])
    done = subprocess.run(
        [python, str(Path(__file__).parent / "peer_dlt.py"), base, installed.database, dataset],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"dlt failed: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return {"wall": said["wall"], "cpu": said["cpu"] + cpu([pid]) - spent, "memory": said["memory"]}


def show(name: str, count: int, found: dict[str, float]) -> None:
    wal = f" {found['wal']:6.0f} B WAL each" if "wal" in found else ""
    print(
        f"{name:28} {found['wall']:6.1f} s {count / found['wall']:9,.0f}/s {found['cpu']:6.1f} CPU s "
        f"{count / found['cpu']:9,.0f} per CPU s "
        f"{found['memory']:5.0f} MiB{wal}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dlt", type=Path)
    given = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {}
    port = free_port()
    base = f"http://127.0.0.1:{port}/"
    for number in range(given.rounds):
        with Installation(base) as installed:
            for label, generation in (("all new", 1), ("nothing changed", 1), ("all changed", 2)):
                with source(port, given.orders, generation):
                    found = run_product(installed, given.orders, given.workers)
                    results.setdefault(f"product, {label}", []).append(found)
                    show(f"product, {label}", given.orders, found)
                    if given.dlt:
                        found = run_dlt(given.dlt, installed, base.rstrip("/"), f"peer_{number}")
                        results.setdefault(f"dlt merge, {label}", []).append(found)
                        show(f"dlt merge, {label}", given.orders, found)
    if given.dlt:
        for label in ("all new", "nothing changed", "all changed"):
            ours, theirs = results[f"product, {label}"], results[f"dlt merge, {label}"]
            wall, used = (
                statistics.median(t[k] / o[k] for t, o in zip(theirs, ours, strict=True)) for k in ("wall", "cpu")
            )
            print(f"{label}: {wall:.2f} times dlt by the clock, {used:.2f} times by CPU")


if __name__ == "__main__":
    main()
