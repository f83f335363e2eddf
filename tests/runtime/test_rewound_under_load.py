"""A failover with lag under load, with the real emulators as vendors: every sale that is in the log is booked once at
the ERP and once at the loyalty engine. Witness: the emulators' journals, which do not go back."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from runtime.connectors.protocols import Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import ManifestTarget
from runtime.ledger import connections, vendor_target
from runtime.ledger.append import Fenced, IncomingMessage, append
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import claim
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_target import MappedVendor
from runtime.profiles import profile
from runtime.services.sink_vendor import SinkVendor
from sandbox.client import Sandbox
from tests.runtime.make import Flow
from tests.runtime.own_server import OwnServer

pytestmark = pytest.mark.thorough
TILLS, AT_ONCE = 3, 4


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with OwnServer() as made:
        yield made


@pytest.fixture
def sandbox(tmp_path: Any) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path, seed=11) as running:
        yield running


def posting(message: Any) -> dict[str, Any]:
    store, till, day, number = message.key.split("/")
    line = {"item": "TG11", "quantity": "1", "amount": "2.50"}
    return {"store": store, "till": till, "businessDate": day, "sequence": number, "total": "2.50", "lines": [line]}


def points(message: Any) -> dict[str, Any]:
    return {"profileId": "M-1", "type": "earn", "points": "2", "reference": message.key}


class Shop:
    """Tills that send until they are answered, a worker that never gives up, and a database that comes and goes."""

    def __init__(self, server: OwnServer, sandbox: Sandbox) -> None:
        self.server, self.sandbox = server, sandbox
        self.pause = threading.Event()
        self.stop_tills, self.stop_worker = threading.Event(), threading.Event()
        self.rung: dict[int, list[str]] = defaultdict(list)
        self.vendors: dict[str, SinkVendor] = {}
        with server.connect() as conn:
            self.flow = Flow(conn, lanes=2, immutable=True)
            self.flow.subscribe("erp", idempotency="N", batch=20)
            self.flow.subscribe("loyalty", idempotency="K", batch=20)
            self.stream = self.flow.ref

    def open(self) -> connections.Connection:
        while True:
            try:
                return self.server.connect()
            except psycopg.OperationalError:
                self.pause.wait(0.05)

    def again(self, what: Callable[[connections.Connection], bool]) -> None:
        """Until it answers no; with another connection whenever the database was away."""
        conn = self.open()
        going = True
        while going:
            try:
                going = what(conn)
            except Fenced:
                continue
            except psycopg.OperationalError:
                conn.close()
                conn = self.open()
        conn.close()

    # -- tills ---------------------------------------------------------------------------------------------------------
    def send(self, conn: connections.Connection, keys: list[str]) -> None:
        append(conn, self.stream, [IncomingMessage(key, 0, b'{"sale": "%s"}' % key.encode()) for key in keys])

    def till(self, number: int) -> None:
        def ring(conn: connections.Connection) -> bool:
            done = self.rung[number]
            keys = [f"1/{number}/2026-03-02/{len(done) + n}" for n in range(AT_ONCE)]
            self.send(conn, keys)
            done += keys
            self.pause.wait(0.02)
            return not self.stop_tills.is_set()

        self.again(ring)

    # -- the worker ----------------------------------------------------------------------------------------------------
    def vendor_of(self, taken: Claim) -> MappedVendor:
        name = taken.target.name
        if name not in self.vendors:
            self.vendors[name] = self.made(name, taken.target.idempotency)
        return MappedVendor(Mapper(posting if name == "erp" else points), self.vendors[name])

    def made(self, name: str, idempotency: str) -> SinkVendor:
        if name == "erp":
            sink = open_sink("rest", profile("retail-sales").connection({"base_url": self.sandbox.erp.url}))
            secrets, more = {"user": "TILLGATE", "password": "sandbox"}, {"ask_by": "key"}
        else:
            sink = open_sink("rest", profile("loyalty").connection({"base_url": self.sandbox.loyalty.url}))
            secrets, more = {"key": "sandbox"}, {"ask_by": "idempotency_key", "address": {"program": "main"}}
        target = ManifestTarget(name, "s", {}, [], idempotency, **more)  # type: ignore[arg-type]
        return SinkVendor(sink, Secrets(secrets), target, "")

    def serve(self, conn: connections.Connection) -> bool:
        """Without pauses; answers whether there was work."""
        conn.execute("update runtime_vendorstate set not_before = 'epoch' where not_before > clock_timestamp()")
        conn.execute("update runtime_quarantine set not_before = 'epoch' where not_before > clock_timestamp()")
        if taken := claim(conn, owner="w"):
            vendor_target.deliver(conn, taken, lambda release: self.vendor_of(taken), max_batches=3)
        elif waiting := claim_quarantined(conn):
            retry_at_vendor(conn, waiting, lambda release: self.vendor_of(waiting))
        return bool(taken or waiting)

    def work(self) -> None:
        def turn(conn: connections.Connection) -> bool:
            if not self.serve(conn):
                self.pause.wait(0.02)
            return not self.stop_worker.is_set()

        self.again(turn)


def test_a_failover_under_load_books_every_sale_once(server: OwnServer, sandbox: Sandbox) -> None:
    shop = Shop(server, sandbox)
    tills = [threading.Thread(target=shop.till, args=(number,)) for number in range(TILLS)]
    worker = threading.Thread(target=shop.work)
    for thread in (*tills, worker):
        thread.start()
    shop.pause.wait(1.0)
    kept = server.backup()
    at_backup = sum(len(done) for done in shop.rung.values())
    shop.pause.wait(1.5)
    server.go_back(kept, promoted=True)
    shop.pause.wait(1.5)
    shop.stop_tills.set()
    for thread in tills:
        thread.join()
    shop.stop_worker.set()
    worker.join()

    rung = [key for done in shop.rung.values() for key in done]
    with shop.open() as conn:
        logged = {key for (key,) in conn.execute("select key from runtime_message").fetchall()}
        lost = set(rung) - logged
        for start in range(0, len(rung), 100):  # each till sends its journal once more
            shop.send(conn, rung[start : start + 100])
        conn.execute("update runtime_progress set lease_until = 'epoch', not_before = 'epoch'")
        conn.execute("update runtime_quarantine set lease_until = 'epoch'")
        while shop.serve(conn):
            pass
        left = conn.execute("select key, state, reason from runtime_quarantine").fetchall()
        rewinds = conn.execute("select reason from runtime_rewind").fetchall()
    for vendor in shop.vendors.values():
        vendor.close()
    erp = Counter(entry.ref for entry in sandbox.erp.journal() if entry.effect == "sale.posted")
    earned = [entry for entry in sandbox.loyalty.journal() if entry.effect == "points.earned"]
    loyalty = Counter(entry.ref for entry in earned)

    assert at_backup
    assert lost, "the load went on after the backup, so something was lost"
    assert lost & set(erp), "and some of that had been booked before"
    assert left == []
    assert (set(erp), max(erp.values())) == (set(rung), 1)
    assert (set(loyalty), max(loyalty.values())) == (set(rung), 1)
    assert len({entry.key for entry in earned}) == len(earned)
    assert rewinds == [("timeline",)]
