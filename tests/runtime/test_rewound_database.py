"""A database that goes back gives no key twice. Witness: the vendor's own books, which do not go back.

These tests run a server of their own and put its data back; `test_recovery_mode.py` goes through the cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.ledger import rewind
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from tests.runtime.make import Flow
from tests.runtime.own_server import OwnServer
from tests.runtime.rewinding import StrictVendor, work

pytestmark = pytest.mark.thorough
LOST = [f"lost-{n}" for n in range(3)]
NEW = [f"new-{n}" for n in range(3)]


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with OwnServer() as made:
        yield made


def sell(conn: Connection, flow: Flow, keys: list[str]) -> None:
    append(conn, flow.ref, [flow.item(key) for key in keys])


def open_shop(conn: Connection, vendor: StrictVendor) -> Flow:
    flow = Flow(conn, lanes=2, immutable=True)
    flow.subscribe(idempotency="K", batch=5)
    sell(conn, flow, [f"sale-{n}" for n in range(5)])
    work(conn, vendor)
    return flow


def lose(server: OwnServer, flow: Flow, vendor: StrictVendor) -> None:
    """Sold and booked, and then nobody but the vendor knows of it."""
    with server.connect() as conn:
        flow.conn = conn
        sell(conn, flow, LOST)
        work(conn, vendor)


def go_on(conn: Connection, flow: Flow, vendor: StrictVendor) -> None:
    """New sales, and the tills send what was lost once more: every one is booked once, under a key of its own."""
    flow.conn = conn
    sell(conn, flow, [*NEW, *LOST])
    work(conn, vendor)
    assert conn.execute("select position, state, reason from runtime_quarantine").fetchall() == []
    assert sorted(vendor.booked()) == sorted([f"sale-{n}" for n in range(5)] + LOST + NEW)
    assert vendor.shared_keys() == {}


def rewinds(conn: Connection) -> list[Any]:
    return conn.execute("select reason, lanes from runtime_rewind order by id").fetchall()


def test_after_a_failover_with_lag_no_key_is_given_to_another_message(server: OwnServer) -> None:
    vendor = StrictVendor()
    with server.connect() as conn:
        flow = open_shop(conn, vendor)
    kept = server.snapshot()
    lose(server, flow, vendor)
    server.go_back(kept, promoted=True)
    with server.connect() as conn, server.connect() as other:
        go_on(conn, flow, vendor)
        assert rewinds(other) == [("timeline", 2)]


def test_a_dump_restored_into_another_database_begins_a_new_epoch(server: OwnServer, tmp_path: Path) -> None:
    vendor = StrictVendor()
    with server.connect() as conn:
        flow = open_shop(conn, vendor)
    dump = server.dump(server.folder / "shop.dump")
    lose(server, flow, vendor)
    server.restore(dump, "restored")
    with server.connect("restored") as conn:
        go_on(conn, flow, vendor)
        assert rewinds(conn) == [("database", 2)]


def test_two_restores_of_one_dump_do_not_share_keys(server: OwnServer) -> None:
    vendor = StrictVendor()
    with server.connect() as conn:
        flow = open_shop(conn, vendor)
    dump = server.dump(server.folder / "shop.dump")
    for name in ("first", "second"):
        server.restore(dump, name)
        with server.connect(name) as conn:
            flow.conn = conn
            sell(conn, flow, [f"{name}-{n}" for n in range(4)])
            work(conn, vendor)
            assert conn.execute("select count(*) from runtime_quarantine").fetchone() == (0,)
    assert vendor.shared_keys() == {}


def test_a_volume_put_back_on_the_same_timeline_is_for_a_person_to_state(server: OwnServer) -> None:
    vendor = StrictVendor()
    with server.connect() as conn:
        flow = open_shop(conn, vendor)
    kept = server.snapshot()
    lose(server, flow, vendor)
    server.go_back(kept, promoted=False)
    with server.connect() as conn:
        assert rewinds(conn) == [], "PostgreSQL gives no sign of it"
        rewind.state_restored(conn, note="volume of yesterday")
        go_on(conn, flow, vendor)
        assert rewinds(conn) == [("stated", 2)]
