"""A worker has no port of its own: what it counts is in the database, where the next scrape of any web process finds
it."""

from __future__ import annotations

import json
from typing import Any

from kernel import process_measures
from runtime.ledger.connections import Connection
from runtime.worker.loop import WorkerLoop


def test_a_worker_that_beats_and_one_that_stops_write_what_they_have_counted(
    ledger: Connection, monkeypatch: Any
) -> None:
    monkeypatch.setattr(process_measures, "_mine", None)
    loop = WorkerLoop(collect=False)
    loop.turn()
    first = counted(ledger)
    assert first["tillgate_processes"]['["worker"]'] == 1.0, "whatever else this process has served"
    loop.turn()
    assert counted(ledger) == first, "every ten seconds, not at every turn"
    loop.stop()
    loop.run()
    last = counted(ledger)
    looks = '["lane", "none"]'
    assert last["tillgate_claims_total"][looks] > first.get("tillgate_claims_total", {}).get(looks, 0.0)


def counted(conn: Connection) -> dict[str, dict[str, float]]:
    (row,) = conn.execute("select counted::text from kernel_processmetrics").fetchall()
    made: dict[str, dict[str, float]] = json.loads(row[0])
    return made
