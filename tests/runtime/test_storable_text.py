"""What another system says may hold characters that the database cannot: NUL, halves of surrogate pairs. They cost no
outcome and stop no source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.order_server import order
from runtime.connectors.protocols import (
    ConnectionFault,
    OutboundMessage,
    Page,
    Record,
    Refused,
    RejectedRecord,
    Retriable,
    Secrets,
)
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import ManifestTarget
from runtime.ledger import connections
from runtime.ledger.vendor_client import SendResult
from runtime.models import Message, RejectedMessage, StreamSource
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server
from tests.runtime.rewinding import Shop, StrictVendor
from tests.runtime.scripted_source import Feed, Scripted, feed, script

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["feed", "script"]
ODD = ["a\x00b", "a\ud800b"]


class Says(StrictVendor):
    """Answers everything alike."""

    def __init__(self, result: SendResult) -> None:
        super().__init__(keeps_keys=False)
        self.result, self.calls = result, 0

    def _act(self, item: OutboundMessage) -> SendResult:
        self.calls += 1
        return self.result


@pytest.fixture
def conn() -> Iterator[connections.Connection]:
    with connections.connected(name="tillgate-test") as made:
        yield made


@pytest.mark.parametrize("odd", ODD)
def test_a_refusal_with_odd_characters_is_a_dead_letter_after_one_call(conn: connections.Connection, odd: str) -> None:
    shop = Shop(conn, Says(SendResult("refused", odd, odd, odd, answer=odd)), "N")
    shop.sell("a")
    shop.work()
    assert shop.quarantined() == [("a", "dead", "refused")]
    assert isinstance(shop.vendor, Says)
    assert shop.vendor.calls == 1


@pytest.mark.parametrize("odd", ODD)
def test_a_confirmation_under_an_odd_name_confirms(conn: connections.Connection, odd: str) -> None:
    shop = Shop(conn, Says(SendResult("confirmed", odd, answer=odd)), "N")
    shop.sell("a", "b")
    shop.work()
    assert shop.quarantined() == []
    assert isinstance(shop.vendor, Says)
    assert shop.vendor.calls == 2


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("status", ["unsent", "retry", "unknown", "differs", "declined", "accepted"])
def test_every_other_outcome_is_stored_as_well(conn: connections.Connection, status: str, odd: str) -> None:
    shop = Shop(conn, Says(SendResult(status, odd, odd, odd, answer=odd, retry_after=0.01)), "N")
    shop.sell("a")
    shop.work()
    words = conn.execute("select reason from runtime_quarantine").fetchone()
    assert words is None or "\x00" not in words[0]
    assert conn.execute("select count(*) from runtime_attempt where outcome = 'sender_gone'").fetchone() == (0,)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", [Retriable, Refused, ConnectionFault, "trouble"])
def test_a_source_that_fails_with_odd_words_says_so(
    feed: Feed, script: Callable[..., Scripted], kind: Any, odd: str
) -> None:
    told = {
        Retriable: lambda: Retriable(odd),
        Refused: lambda: Refused("http.400", odd),
        ConnectionFault: lambda: ConnectionFault("address", odd),
        "trouble": lambda: Page([], {"at": 1}, True, trouble=odd, warnings=[odd]),
    }[kind]()
    script(told)
    feed.deploy()
    run = feed.run()
    assert run.state != "succeeded"
    assert run.error


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_record_is_rejected_and_the_others_are_read(
    feed: Feed, script: Callable[..., Scripted], odd: str
) -> None:
    broken = RejectedRecord(f"row {odd}", f"it is {odd}", odd.encode("utf-8", "surrogatepass"), f"K{odd}")
    records = [
        Record("ORD-00000001", json.dumps(order(1)).encode(), datetime.now(UTC)),
        Record(f"ORD-{odd}", json.dumps(order(2)).encode(), datetime.now(UTC)),
        Record("ORD-00000003", json.dumps(order(3) | {"note": odd}).encode(), datetime.now(UTC)),
    ]
    script(Page(records, {"at": 1}, True, rejected=[broken]))
    feed.deploy()
    feed.run()
    assert Message.objects.filter(key="ORD-00000001").exists()
    assert RejectedMessage.objects.count() >= 2


@pytest.mark.parametrize("odd", ODD)
def test_a_source_whose_place_cannot_be_kept_fails_with_its_reason_and_is_read_on_once_it_can(
    feed: Feed, script: Callable[..., Scripted], odd: str
) -> None:
    given = script(Page([], {"at": 1, "token": odd}, True))
    feed.deploy()
    run = feed.run()
    assert run.state == "failed"
    assert "source.place" in run.error
    assert StreamSource.objects.get().cursor is None
    given.pages = [[order(1)]]
    assert feed.run().state == "succeeded"
    assert Message.objects.count() == 1


@pytest.mark.parametrize("odd", ["1\\u0000", "\\u00001", "\\u0000"])
def test_a_job_whose_name_cannot_be_kept_is_asked_about_by_no_other_name(odd: str) -> None:
    """It was taken; under which name to ask is not known."""
    with Server(lambda _: (202, {}, f'{{"job": "{odd}"}}'.encode())) as server:
        job = {"path": "jobs/{job}", "confirmed": ["done"]}
        settings = {"base_url": server.url, "path": "x", "idempotency": "N", "job": job, "success": {"job": "job"}}
        sink = open_sink("rest", settings)
        client = SinkVendor(sink, Secrets(), ManifestTarget("t", "s", {}, [], "N"), "7")
        (result,) = client.send([OutboundMessage("k", "tg-1", b"{}")], guard=lambda: None)
        client.close()
    assert (result.status, result.reference) == ("unknown", None)
    assert "cannot be asked about under this name" in result.detail
