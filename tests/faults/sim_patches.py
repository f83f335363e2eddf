"""What is replaced while a simulated world runs, and would leave it: the clock, the named points, and the one statement
that is built as an object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runtime.ledger import append as append_module
from runtime.ledger import (
    claimed,
    claims,
    clock_steps,
    database_target,
    lanes,
    measures,
    quarantine_claims,
    quarantine_retry,
    send_batch,
    vendor_target,
)
from runtime.ledger.append import Appended
from runtime.ledger.database_target import Table
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.streams import StreamRef
from runtime.worker import delivery, source_reader
from tests.faults.sim_database import SimConnection
from tests.faults.sim_shapes import SILENT_SECONDS

if TYPE_CHECKING:
    from tests.faults.world import World


class _Time:
    """Stands for the module `time` inside the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.now

    def sleep(self, seconds: float) -> None:
        assert self._world.current is not None
        self._world.current.sleep(seconds)


@contextlib.contextmanager
def patched(world: World) -> Iterator[None]:
    """Replace, while a world runs, what would leave it."""
    clock = _Time(world)

    def hit(point: str) -> None:
        actor = world.current
        assert actor is not None
        actor.hit(point)

    def upsert(conn: SimConnection, table: Table, rows: Any, *, known: bool = False) -> None:
        of = int(table.name.split()[1])
        conn.execute("sim: apply", [(of, position, values) for position, values in rows])

    timed = (claimed, claims, send_batch, vendor_target, quarantine_claims, quarantine_retry)
    places: list[tuple[Any, str, Any]] = [(module, "time", clock) for module in timed]
    places += [
        (module, "hit", hit)
        for module in (append_module, lanes, database_target, vendor_target, send_batch, quarantine_retry, delivery)
    ]

    def append_of(conn: SimConnection, stream: StreamRef, items: Any, **more: Any) -> Appended:
        return world.append(conn.actor, items, **more)

    places += [(source_reader, "time", clock), (source_reader, "hit", hit), (source_reader, "append", append_of)]
    places += [(source_reader, "CALL_SECONDS", LEASE_SECONDS / 8), (source_reader, "MARGIN_SECONDS", 1.0)]
    places.append((measures, "names_of", lambda conn, stream: ("production", "simulated")))
    places.append((measures, "vendor_of", lambda conn, vendor: ("production", "simulated")))
    places.append((quarantine_retry, "SILENT_SECONDS", SILENT_SECONDS))
    places.append((clock_steps, "watch", clock_steps.ClockWatch(monotonic=clock.monotonic)))
    places += world.patches()
    places.append((measures, "_names", {world.stream.id: ("simulated", "simulated")}))
    places += [(database_target, "upsert", upsert), (quarantine_retry, "upsert", upsert)]
    from tests.faults.plants import SIMULATED

    for name in world.plants:
        places += SIMULATED[name]
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    for module, name, value in places:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)
