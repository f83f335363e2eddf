"""A web process does once, before it is ready, what its first caller would have to wait for, and leaves no trace."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from bench.order_server import order
from kernel.postgresql import errors
from portal.front.places import ThreadPlaces
from portal.front.short_way import TwoWays
from portal.front.warming import CALLS, Warming, call_all
from portal.observing import REQUESTS
from portal.readiness import Look, good
from runtime.ledger import connections, pool
from runtime.models import Message, Stream
from runtime.services import intake, intake_place, warming
from tests.runtime import make
from tests.runtime.test_services import FEED, deployed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def feed() -> Iterator[Stream]:
    make.catalog_of_orders()
    deployed()
    _forget()
    yield Stream.objects.get()
    _forget()


def _forget() -> None:
    """As in a process that has just begun."""
    pool.close()
    intake_place._known.clear()
    intake_place._manifest_of.cache_clear()


def test_after_it_the_first_message_opens_no_session_and_reads_no_manifest(
    feed: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warming.warm() == 1
    opened: list[Any] = []
    monkeypatch.setattr(connections, "connect", lambda **more: opened.append(more))
    before = intake_place._manifest_of.cache_info().misses
    assert [one.status for one in intake.accept(FEED, "production", [order(1)])] == ["accepted"]
    assert (opened, intake_place._manifest_of.cache_info().misses) == ([], before)


def test_it_stores_nothing_and_takes_no_position(feed: Stream) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select sum(next) from runtime_lane")
        before = cursor.fetchone()
        warming.warm()
        cursor.execute("select sum(next) from runtime_lane")
        assert cursor.fetchone() == before
        cursor.execute("select count(*) from runtime_head")
        assert cursor.fetchone() == (0,)
    assert not Message.objects.exists()


def test_lanes_that_others_hold_do_not_stop_it(feed: Stream) -> None:
    with connections.connected(role="unlimited") as holder, holder.transaction():
        holder.execute("select from runtime_lane for update")
        assert warming.warm() == 1


def test_without_any_deployment_only_sessions_are_opened(db: None) -> None:
    pool.close()
    assert warming.warm(1) == 0
    pool.close()


def test_calls_of_each_kind_are_made_and_neither_counted_nor_written_down(
    feed: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    places = {name: ThreadPlaces(name, 2, 1) for name in ("intake", "gate", "other")}

    def counted() -> float:
        return sum(sample.value for sample in REQUESTS.collect()[0].samples)

    before, answers, handler = counted(), [], TwoWays()

    def kept(environ: dict[str, Any], start: Any) -> Any:
        answer = handler(environ, start)
        answers.append((environ["PATH_INFO"], answer.status_code))
        return answer

    call_all(kept, places, "localhost")
    for place in places.values():
        both = threading.Barrier(2)
        for _ in range(2):
            place.threads.submit(lambda both=both: (both.wait(30), errors.close_connections()))
        place.threads.shutdown()
    assert set(answers) == {("/api/v1/intake/warm-up/", 401), ("/api/v1/gate/verdicts", 401), ("/sign-in/", 200)}
    assert len(answers) == 2 * len(CALLS)
    assert counted() == before
    assert not [record for record in caplog.records if record.name == "tillgate.access"]


def test_it_is_ready_only_afterwards_and_also_where_it_went_wrong_or_takes_too_long(db: None) -> None:
    let_go = threading.Event()

    def work() -> None:
        let_go.wait(30)
        raise RuntimeError("no room")

    slow = Warming(work)
    look = Look(slow.done)
    try:
        found = look()
        assert (found["start"], good(found)) == ("loading what the first callers need", False)
        let_go.set()
        assert slow._thread is not None
        slow._thread.join(30)
        assert good(look())
    finally:
        look.close()
    late = Warming(lambda: let_go.wait(0), seconds=-1.0)
    assert late.done()
