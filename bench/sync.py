"""P1: orders from a local REST source into PostgreSQL, through the product with every guarantee on, and through dlt and
Sling in the same run.

    python -m bench.sync [--orders 200000] [--rounds 1] [--peers FOLDER] [--dlt …/bin/python] [--sling …/bin/python]

The product: contract check, deduplication, durable log, gate at every batch, mapping, evidence, upsert; then the same
again with nothing changed, and with everything changed. The peers run in environments of their own (`make bench-peers
PEERS=folder`), on the same server; rounds change who begins. dlt reads the same source and merges by key. Sling reads a
file made beforehand, so it asks nobody for pages, and gives no guarantee: no contract, no log, no order; by key (its
full upsert of JSON lines) and, from flat CSV, also by an update key, which leaves known records out while it reads.
(From JSON lines its update key compares the wrong column and fails.) Its start of a process counts, as it has no
worker that waits. CPU counts client and PostgreSQL, not the source. Ratios count; rates are of this machine.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.installation import Installation, free_port
from bench.measure import cpu, peak_memory
from bench.peers import DLT, FROM_CSV, FROM_JSON, Peers, python_of, written
from bench.rounds import in_own_processes
from bench.rows import met, row

PRODUCT = "product"
PARTS = ("wall", "cpu")
PHASES = {"all new": 1, "nothing changed": 1, "all changed": 2}
Round = dict[str, dict[str, Any]]


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
        spent, wal, started = cpu(roots), written(conn), time.perf_counter()
        run = runs.start("order-feed", "production", trigger="manual")
        while not _finished(conn, run.pk):
            time.sleep(0.1)  # each look costs CPU that counts
        wall, used = time.perf_counter() - started, cpu(roots) - spent
        each = [peak_memory(process.pid) for process in processes]
        bytes_each = (written(conn) - wal) / count
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait()
    run.refresh_from_db()
    if run.read != count or run.rejected_count:
        raise SystemExit(f"the run read {run.read} of {count} and refused {run.rejected_count}: {run.error}")
    return {"wall": wall, "cpu": used, "memory": max(each), "together": sum(each), "wal": bytes_each}


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


def show(name: str, count: int, found: dict[str, float]) -> None:
    wal = f" {found['wal']:6.0f} B WAL each" if "wal" in found else ""
    print(
        f"{name:50} {found['wall']:6.1f} s {count / found['wall']:9,.0f}/s {found['cpu']:6.1f} CPU s "
        f"{count / found['cpu']:9,.0f} per CPU s "
        f"{found['memory']:5.0f} MiB{wal}",
        flush=True,
    )


def one_round(number: int, given: argparse.Namespace) -> Round:
    """A new installation: everybody loads new orders, the same ones again, and changed ones."""
    found: Round = {}
    port = free_port()
    base = f"http://127.0.0.1:{port}/"
    with Installation(base) as installed:
        peers = Peers(installed, base, dlt=given.dlt, sling=given.sling)
        turns = [PRODUCT, *peers.names][:: -1 if number % 2 else 1]
        for label, generation in PHASES.items():
            with source(port, given.orders, generation):
                for name in turns:
                    if name == PRODUCT:
                        one = run_product(installed, given.orders, given.workers)
                    else:
                        one = peers.run(name, given.orders, generation)
                    found[f"{name}, {label}"] = one
                    show(f"{name}, {label}", given.orders, one)
    return found


def report(rounds: list[Round], orders: int) -> None:
    """Ratios within each round, their median, and a row of the table for each phase."""
    names = list(dict.fromkeys(key.rpartition(", ")[0] for key in rounds[0]))
    others = [name for name in (DLT, FROM_JSON, FROM_CSV) if name in names]
    for label in PHASES:
        times = {
            name: [_median(r[f"{name}, {label}"][k] / r[f"{PRODUCT}, {label}"][k] for r in rounds) for k in PARTS]
            for name in others
        }
        for name, (wall, used) in times.items():
            print(f"{label}: {wall:.2f} times {name} by the clock, {used:.2f} times by CPU")
        ours, version = _medians(rounds, f"{PRODUCT}, {label}"), {n: rounds[0][f"{n}, {label}"] for n in others}
        ratios = "; ".join(f"{wall:.1f} and {used:.1f} times {name}" for name, (wall, used) in times.items())
        row(
            "P1",
            f"{orders:,} JSON orders, {label}, all guarantees on",
            peer="; ".join(f"{n} {version[n]['version']}: {_said(_medians(rounds, f'{n}, {label}'))}" for n in others)
            or "–",
            measured=f"{_said(ours)} ({ours['together']:.0f} with all workers), {ours['wal']:.0f} B of WAL, "
            f"{orders / ours['cpu']:,.0f} per CPU s"
            + (f"; by the clock and by CPU **{ratios}**" if ratios else "")
            + f"; {len(rounds)} rounds",
            met=_met(label, ours, _medians(rounds, f"{PRODUCT}, all new"), times),
        )


def _met(label: str, ours: dict[str, float], new: dict[str, float], times: dict[str, list[float]]) -> str:
    sling = min((used for name, (_, used) in times.items() if name != DLT), default=0.0)
    if label == "nothing changed":
        return met(ours["cpu"] <= new["cpu"] and ours["wal"] < 1, "no write, never dearer than new ones")
    if label == "all changed":
        return met(sling >= 1.5, "1.5 × Sling by CPU, the faster way of it")
    good = times.get(DLT, [0.0, 0.0])[1] >= 5 and sling >= 2 and ours["memory"] <= 150
    return met(good, "5 × dlt and 2 × Sling by CPU, the faster way of it; 150 MiB")


def _medians(rounds: list[Round], key: str) -> dict[str, float]:
    return {k: _median(r[key][k] for r in rounds) for k in rounds[0][key] if k != "version"}


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _said(found: dict[str, float]) -> str:
    return f"{found['wall']:.1f} s, {found['cpu']:.1f} CPU s, {found['memory']:.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peers", type=Path, help="folder with the environments that make bench-peers makes")
    parser.add_argument("--dlt", type=Path)
    parser.add_argument("--sling", type=Path)
    given = parser.parse_args()
    if given.peers:
        given.dlt, given.sling = (python_of(given.peers, name) for name in ("dlt", "sling"))
    report(in_own_processes(one_round, given.rounds, given), given.orders)


if __name__ == "__main__":
    main()
