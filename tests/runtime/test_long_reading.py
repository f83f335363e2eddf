"""What takes long about one file holds up nothing: a receipt that is too large costs itself, and a source is held on
while a page of it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.order_server import order
from runtime.connectors import xml_sizes
from runtime.connectors.poslog import connector
from runtime.connectors.protocols import CallContext, Page, Secrets
from runtime.ledger import connections
from runtime.ledger.append import Fenced
from runtime.models import Message, RejectedMessage
from runtime.services import system_connections
from runtime.worker import source_polling
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total
from tests.runtime.scripted_source import Feed, Scripted, feed
from tests.runtime.test_wrong_stamps import deploy

__all__ = ["feed"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tills(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setenv("TILLGATE_PLACE_DROP", str(tmp_path))
    deploy(feed, {"protocol": "poslog", "settings": {"root": "${TILLGATE_PLACE_DROP}", "quiet": 0}})
    (tmp_path / "incoming").mkdir()
    return feed


def lines(count: int, number: int) -> str:
    paid = f"{count / 100:.2f}"
    rung = (goods(n, "0.01") for n in range(1, count + 1))
    return receipt(*rung, tender(count + 1, paid), total(paid), number=number)


def test_receipts_over_the_bounds_are_refused_before_they_are_judged_and_are_one_dead_letter_each(
    tills: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = list[str]()
    judge = connector.sale_document

    def counted(element, rules):  # type: ignore[no-untyped-def]
        made = judge(element, rules)
        judged.append(made["id"])
        return made

    monkeypatch.setattr(connector, "sale_document", counted)
    monkeypatch.setattr(xml_sizes, "MOST_PARTS", 1_000)
    monkeypatch.setattr(xml_sizes, "SHOWN", 200)
    for name in ("a.xml", "b.xml"):
        (tmp_path / "incoming" / name).write_bytes(poslog(lines(500, 1), lines(1, ord(name[0]))))
    assert tills.run().state == "succeeded"
    assert judged == ["7/1/2026-03-02/97", "7/1/2026-03-02/98"]
    assert Message.objects.count() == 2
    found = [(one.seen, one.reason, one.raw[:12]) for one in RejectedMessage.objects.all()]
    said = "transaction 1: at line 1 begins more than 1000 parts or 4194304 characters"
    assert found == [(1, said, "<Transaction"), (1, said, "<Transaction")]


def test_a_source_that_reads_one_page_for_long_keeps_it_as_long_as_it_says_so(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of which little becomes a page: the lease is renewed while the page is read."""
    stolen: list[source_polling.PollClaim | None] = []
    seconds = iter(range(0, 10_000, 4))

    class Long(Scripted):
        def read(self, cursor: Any, *, call: CallContext) -> Page:
            for _ in range(5):
                feed.time_passes(20)
                for _ in range(2):
                    call.beat()
                with connections.connected() as other:
                    stolen.append(source_polling.claim(other, owner="second"))
            return super().read(cursor, call=call)

    long = Long([[order(1)], [order(2)]])
    monkeypatch.setattr(system_connections, "open_source", lambda *_, **__: (long, Secrets()))
    feed.deploy()
    feed.start()
    run = feed.collect(clock=lambda: float(next(seconds)))
    assert (stolen, run.state, run.read, run.fences) == ([None] * 10, "succeeded", 2, 0)


def test_a_source_that_reads_one_page_for_long_is_told_that_it_was_lost(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10_000, 10))

    class Long(Scripted):
        def read(self, cursor: Any, *, call: CallContext) -> Page:
            feed.time_passes(3600)
            with connections.connected() as other:
                assert source_polling.claim(other, owner="second")
            call.beat()
            raise AssertionError("it reads on")

    long = Long([[order(1)]])
    monkeypatch.setattr(system_connections, "open_source", lambda *_, **__: (long, Secrets()))
    feed.deploy()
    run = feed.start()
    with pytest.raises(Fenced):
        feed.collect(clock=lambda: float(next(seconds)))
    run.refresh_from_db()
    assert (run.state, run.fences) == ("running", 1)
