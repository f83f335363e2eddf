"""A vendor whose books do not go back with the product's database, and a database that goes back in the tests' own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from runtime.connectors.protocols import OutboundMessage
from runtime.ledger import connections, rewind, vendor_target
from runtime.ledger.append import append
from runtime.ledger.claims import claim
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.ledger.quarantine_retry import retry_at_vendor
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.ledger.vendor_target import MappedVendor
from tests.runtime.make import Flow


class StrictVendor:
    """Keeps keys and compares bodies, as the demo's loyalty engine does. `asks` says by what it can be asked: "key",
    "reference" (the message's own key), both or nothing. Without `keeps_keys` it acts every time."""

    deadline = 0.5
    moved_at: float | None = None

    def __init__(self, asks: Sequence[str] = ("key", "reference"), *, keeps_keys: bool = True) -> None:
        self.asks, self.keeps_keys = asks, keeps_keys
        self.by_key: dict[str, str] = {}
        self.journal: list[tuple[str, str]] = []  # idempotency key, business key
        self.seen: dict[str, set[str]] = defaultdict(set)  # idempotency key → business keys that came with it
        self.questions: list[tuple[str, str]] = []

    def send(self, items: Sequence[OutboundMessage], *, guard: Any) -> list[SendResult]:
        guard()
        return [self._act(item) for item in items]

    def _act(self, item: OutboundMessage) -> SendResult:
        self.seen[item.idempotency_key].add(item.key)
        held = self.by_key.get(item.idempotency_key) if self.keeps_keys else None
        if held is not None and held != item.key:
            detail = "this key came with another body before"
            return SendResult("refused", detail=f"{detail} [key_reused]", pattern=f"key_reused: {detail}")
        if held is None:
            self.by_key[item.idempotency_key] = item.key
            self.journal.append((item.idempotency_key, item.key))
        return SendResult("confirmed", f"T-{item.key}")

    def check(self) -> SendResult:
        raise CannotAsk

    def ask(self, items: Sequence[OutboundMessage], *, by: str = "key") -> list[SendResult]:
        if by not in self.asks:
            raise CannotAsk
        self.questions += [(by, item.key) for item in items]
        known = set(self.by_key) if by == "key" else {key for _, key in self.journal}
        names = [item.idempotency_key if by == "key" else item.key for item in items]
        return [SendResult("confirmed", "asked") if name in known else SendResult("unsent") for name in names]

    def booked(self) -> list[str]:
        """Business keys in the order of their effects."""
        return [key for _, key in self.journal]

    def shared_keys(self) -> dict[str, set[str]]:
        """Idempotency keys that came with more than one message."""
        return {key: names for key, names in self.seen.items() if len(names) > 1}


def work(conn: connections.Connection, vendor: StrictVendor) -> None:
    """Serve until nothing is left, without pauses."""

    def bind(release: int) -> MappedVendor:
        return MappedVendor(Mapper(lambda message: message.document), vendor)

    for _ in range(60):
        conn.execute("update runtime_vendorstate set breaker = 'closed', not_before = 'epoch'")
        conn.execute("update runtime_progress set lease_until = 'epoch', not_before = 'epoch'")
        conn.execute("update runtime_quarantine set lease_until = 'epoch', not_before = 'epoch'")
        if taken := claim(conn, owner="w"):
            vendor_target.deliver(conn, taken, bind)
        elif quarantined := claim_quarantined(conn):
            retry_at_vendor(conn, quarantined, bind)
        else:
            return


class Shop:
    """A flow with one lane and one target, whose database can go back to an earlier position, as it does by a failover
    with lag. What was appended after it is gone; what was delivered after `delivered` is taken for undelivered."""

    def __init__(
        self, conn: connections.Connection, vendor: StrictVendor, idempotency: str = "K", *, facts: bool = True
    ) -> None:
        self.conn, self.vendor = conn, vendor
        self.flow = Flow(conn, lanes=1, immutable=facts)
        self.subscription = self.flow.subscribe(idempotency=idempotency, batch=5)

    def sell(self, *keys: str, version: int = 0) -> None:
        append(self.conn, self.flow.ref, [self.flow.item(key, version) for key in keys])

    def work(self) -> None:
        work(self.conn, self.vendor)

    def go_back(self, logged: int, delivered: int) -> None:
        """Both are positions. The next connection that the ledger opens notices it."""
        with self.conn.transaction():
            self.conn.execute("set local session_replication_role = replica")
            self.conn.execute("delete from runtime_message where position > %s", (logged,))
            self.conn.execute("delete from runtime_head where position > %s", (logged,))
            self.conn.execute("delete from runtime_quarantine where position > %s", (delivered,))
            self.conn.execute("update runtime_lane set next = %s", (logged + 1,))
            self.conn.execute("update runtime_progress set position = %s, intent = null", (delivered,))
            self.conn.execute("update runtime_database set timeline = timeline - 1")
        connections.connect(name="tillgate-test").close()

    def end_window(self) -> None:
        row = self.conn.execute("select max(id) from runtime_rewind").fetchone()
        assert row
        rewind.end_window(self.conn, row[0])

    def quarantined(self) -> list[Any]:
        return self.conn.execute("select key, state, reason_class from runtime_quarantine order by position").fetchall()

    def history(self) -> list[Any]:
        return self.conn.execute("select first, last, outcome from runtime_attempt order by id").fetchall()
