"""A database that goes back gives no key twice. Witness: the vendor's own books, which do not go back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.ledger import vendor_target
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine_retry import claim_quarantined, retry_at_vendor
from runtime.ledger.vendor_target import MappedVendor
from tests.runtime.make import Flow
from tests.runtime.own_server import OwnServer
from tests.runtime.rewinding import StrictVendor

pytestmark = pytest.mark.thorough


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with OwnServer() as made:
        yield made


def work(conn: Connection, vendor: StrictVendor) -> None:
    def bind(release: int) -> MappedVendor:
        return MappedVendor(Mapper(lambda message: message.document), vendor)

    for _ in range(30):
        conn.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'")
        conn.execute("update runtime_progress set lease_until = 'epoch', not_before = 'epoch'")
        conn.execute("update runtime_quarantine set lease_until = 'epoch', not_before = 'epoch'")
        if taken := claim(conn, owner="w"):
            vendor_target.deliver(conn, taken, bind)
        elif quarantined := claim_quarantined(conn):
            retry_at_vendor(conn, quarantined, bind)
        else:
            return


def quarantined(conn: Connection) -> list[Any]:
    return conn.execute("select position, state, reason from runtime_quarantine order by position").fetchall()


def test_after_a_failover_with_lag_no_key_is_given_to_another_message(server: OwnServer) -> None:
    vendor = StrictVendor()
    with server.connect() as conn:
        flow = Flow(conn, lanes=1, immutable=True)
        flow.subscribe(idempotency="K", batch=5)
        stream = flow.ref
        append(conn, stream, [flow.item(f"sale-{n}") for n in range(5)])
        work(conn, vendor)
    kept = server.snapshot()
    with server.connect() as conn:
        append(conn, stream, [flow.item(f"lost-{n}") for n in range(3)])
        work(conn, vendor)
    server.go_back(kept, promoted=True)
    with server.connect() as conn:
        append(conn, stream, [flow.item(f"new-{n}") for n in range(3)])
        work(conn, vendor)
        left = quarantined(conn)
    assert left == []
    assert [key for key in vendor.booked() if key.startswith("new-")] == ["new-0", "new-1", "new-2"]
    assert vendor.shared_keys() == {}
