"""Reading a source: what is under way survives slow answers and other workers, what a run met is kept with it, and a
row that cannot be read or judged is one rejected message."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connections as django_connections

from bench.installation import manifest as order_feed
from bench.order_server import order
from portal.worker import arguments, collector_tiers
from runtime.connectors.protocols import Page, Record, Refused, RejectedRecord, Retriable
from runtime.ledger import connections
from runtime.ledger.append import Fenced
from runtime.models import Message, RejectedMessage, Run, StreamSource
from runtime.worker import source_polling
from runtime.worker.loop import WorkerLoop
from runtime.worker.source_reader import SourceReader
from tests.runtime import make
from tests.runtime.scripted_source import Feed, Scripted, feed, record, script, wrong

__all__ = ["feed", "script"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)


# -- the lease ---------------------------------------------------------------------------------------------------------
def test_a_source_slower_than_the_lease_is_read_to_its_end_while_other_loops_look_for_work(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script(*[[order(n)] for n in range(6)])
    feed.deploy()
    feed.start()
    stolen: list[int] = []

    def a_page_takes_longer_than_the_lease() -> None:
        feed.time_passes(20)
        for name in ("second", "third"):
            with connections.connected() as other:
                if (taken := source_polling.claim(other, owner=name)) is not None:
                    stolen.append(taken.token)

    source.before = a_page_takes_longer_than_the_lease
    run = feed.collect()
    assert (stolen, run.state, run.read, run.fences) == ([], "succeeded", 6, 0)
    assert source.asked == list(range(6))


def test_a_worker_that_lost_the_source_asks_it_no_more_and_the_run_counts_it(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script(*[[order(n)] for n in range(6)])
    feed.deploy()
    run = feed.start()

    def another_takes_it_over() -> None:
        if len(source.asked) == 2:
            feed.time_passes(3600)
            with connections.connected() as other:
                assert source_polling.claim(other, owner="second")

    source.before = another_takes_it_over
    with pytest.raises(Fenced):
        feed.collect()
    run.refresh_from_db()
    assert (source.asked, run.state, run.fences) == ([0, 1], "running", 1)


def test_a_group_ends_by_time_so_that_what_was_read_is_stored(feed: Feed, script: Callable[..., Scripted]) -> None:
    source = script(*[[order(n)] for n in range(6)])
    feed.deploy()
    feed.start()
    now, stored_before = [0.0], []

    def ten_seconds() -> None:
        now[0] += 10
        stored_before.append(Message.objects.count())

    source.before = ten_seconds
    feed.collect(clock=lambda: now[0])
    assert stored_before == [0, 1, 2, 3, 4, 5]


def test_what_a_group_has_read_is_stored_when_a_later_page_fails(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([order(1)], [order(2)], Refused("http.403", "no"))
    feed.deploy()
    run = feed.run()
    assert (run.state, run.accepted, feed.source.cursor) == ("failed", 2, {"at": 2})


def test_a_long_run_is_a_sign_of_life_of_its_worker(feed: Feed, script: Callable[..., Scripted]) -> None:
    """The watchdog ends a process whose loop has been silent for two minutes."""
    source = script(*[[order(n)] for n in range(12)])
    feed.deploy()
    feed.start()
    loop, silent = WorkerLoop(name="long"), []

    def another_minute() -> None:
        silent.append(loop.silent_for)
        loop._turned -= 60

    source.before = another_minute
    try:
        loop.turn()
    finally:
        loop._disconnect()
    assert Run.objects.get().state == "succeeded"
    assert max(silent) < 120


# -- what a run met ----------------------------------------------------------------------------------------------------
def test_a_source_that_asks_to_be_left_alone_is_left_alone_and_the_run_goes_on_afterwards(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script([order(1)], Retriable("429: quota", after=600.0))
    feed.deploy()
    feed.start()
    run = feed.collect()
    assert (run.state, run.accepted) == ("running", 1)
    assert "429: quota" in feed.source.wait_reason
    assert source_polling.claim(feed.conn, owner="second") is None
    feed.conn.execute("update runtime_source set not_before = not_before - interval '601 seconds'")
    source.pages[1] = [order(2)]
    run = feed.collect()
    assert (run.state, run.accepted, feed.source.wait_reason) == ("succeeded", 2, "")


def test_warnings_of_pages_are_kept_on_the_run(feed: Feed, script: Callable[..., Scripted]) -> None:
    said = ("7/2: 4 not seen\x00 between its neighbours", "info: \ud800 odd")
    script(Page([record(order(1))], {"at": 1}, False, (), said), Page([], {"at": 2}, True, (), said[:1]))
    feed.deploy()
    run = feed.run()
    assert run.state == "succeeded"
    assert run.warnings == ["7/2: 4 not seen? between its neighbours", "info: ? odd"]
    assert run.warned == 3


def test_a_source_that_was_read_to_its_end_says_until_when(feed: Feed, script: Callable[..., Scripted]) -> None:
    source = script([order(1)], Refused("http.500", "down"))
    feed.deploy()
    feed.run()
    assert feed.source.read_at is None
    source.pages[1] = [order(2)]
    looked: list[datetime] = []
    source.before = lambda: looked.append(datetime.now(UTC))
    feed.run()
    assert feed.source.read_at is not None
    assert feed.source.read_at <= looked[-1]


# -- rejected records and the cursor -----------------------------------------------------------------------------------
def test_a_run_whose_records_are_nearly_all_rejected_fails_and_moves_no_cursor(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    """A wrong contract used to cost the initial load: the corrected release read only what changed after it."""
    script(*[[wrong(n) for n in range(page * 100, page * 100 + 100)] for page in range(10)], [order(2000)])
    feed.deploy()
    run = feed.run()
    assert (run.state, run.rejected_count, run.accepted) == ("failed", 1000, 1)
    assert run.error.startswith("1,000 of 1,001 records of orders were rejected")
    assert feed.source.cursor is None
    assert feed.source.read_at is None


def test_rejected_records_at_the_beginning_do_not_fail_a_run_that_is_good_on_the_whole(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    script([wrong(n) for n in range(30)], *[[order(n) for n in range(p * 100, p * 100 + 100)] for p in range(1, 6)])
    feed.deploy()
    run = feed.run()
    assert (run.state, run.rejected_count, run.accepted) == ("succeeded", 30, 500)
    assert feed.source.cursor == {"at": 6}


def test_a_run_that_turns_bad_goes_back_to_where_it_began(feed: Feed, script: Callable[..., Scripted]) -> None:
    source = script([order(1)])
    feed.deploy()
    feed.run()
    source.pages += [
        [order(n) for n in range(10, 40)],
        *[[wrong(n) for n in range(p, p + 20)] for p in (100, 200, 300)],
    ]
    run = feed.run()
    assert (run.state, run.accepted, run.rejected_count) == ("failed", 30, 60)
    assert feed.source.cursor == {"at": 1}


def test_a_single_rejected_record_never_holds_a_source(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([wrong(1)])
    feed.deploy()
    run = feed.run()
    assert (run.state, run.rejected_count, feed.source.cursor) == ("succeeded", 1, {"at": 1})


def test_the_manifest_says_how_many_rejected_records_a_run_may_have(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    script([wrong(n) for n in range(200)])
    feed.deploy(rejected_limit={"share": 1})
    assert feed.run().state == "succeeded"


@pytest.mark.parametrize("taken_over_after", range(1, 12))
def test_no_cursor_passes_a_run_over_the_limit_wherever_another_worker_takes_over(
    feed: Feed, script: Callable[..., Scripted], taken_over_after: int
) -> None:
    """Good, bad and good pages, the whole over the limit: whatever stops in between, the next run reads all of it."""
    source = script(
        *[[(wrong if p in (1, 2, 3, 5, 6) else order)(n) for n in range(p * 20, p * 20 + 20)] for p in range(9)]
    )
    feed.deploy(rejected_limit={"share": 0.4, "count": 5})
    feed.start()
    run = feed.collect(stop=lambda: len(source.asked) >= taken_over_after)
    while run.state == "running":
        run = feed.collect()
    assert run.state == "failed"
    assert feed.source.cursor is None


def test_a_reader_whose_cursor_passes_rejected_records_is_found_by_the_test_above(
    feed: Feed, script: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: as readers were before the limit."""

    def past_everything(reader: SourceReader) -> None:
        reader.state.cursor = reader.at

    monkeypatch.setattr(SourceReader, "_place", past_everything)
    with pytest.raises(AssertionError, match="at"):
        test_no_cursor_passes_a_run_over_the_limit_wherever_another_worker_takes_over(feed, script, 3)


# -- rows that cannot be read or judged --------------------------------------------------------------------------------
ODD: dict[str, bytes] = {
    "a number out of range": b'{"id":7,"total":1e400}',
    "an exponent without end": b'{"id":7,"total":1e999999999}',
    "half a surrogate pair": b'{"id":7,"note":"\\ud800"}',
    "bytes of another charset": b'{"id":7,"note":"K\xe4se"}',
    "a NUL": b'{"id":7,"note":"a\\u0000b"}',
    "no end of nesting": b'{"id":7,"note":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a number without end": b'{"id":' + b"9" * 6000 + b"}",
    "not JSON": b'{"id":7',
    "a name twice": json.dumps(order(7)).encode()[:-1] + b',"id":7}',
    "a name twice, once escaped": json.dumps(order(7)).encode()[:-1] + b',"i\\u0064":7,"at":"\\u003a"}',
    "a name twice inside": json.dumps(order(7)).encode()[:-1] + b',"note":[{"a":{"b":"x:y"},"c":1,"a":2}]}',
}


@pytest.mark.parametrize("contract", [True, False], ids=["with a contract", "without"])
@pytest.mark.parametrize("odd", ODD)
def test_a_row_that_cannot_be_read_or_judged_is_one_rejected_message(
    feed: Feed, script: Callable[..., Scripted], odd: str, contract: bool
) -> None:
    script([order(1), record(ODD[odd], "ORD-00000007"), order(2)], [order(3)])
    feed.deploy()
    if not contract:
        with connections.connected() as conn:
            conn.execute("set session_replication_role = replica")
            conn.execute("update runtime_release set manifest = manifest #- '{sources,0,contract}'")
    run = feed.run()
    assert (run.state, run.read, run.accepted, run.rejected_count) == ("succeeded", 4, 3, 1)
    rejected = RejectedMessage.objects.get()
    assert (rejected.key, rejected.source) == ("ORD-00000007", "orders")
    assert rejected.reason


def test_a_name_that_stands_twice_is_found_among_rows_that_are_known_already(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    twice = json.dumps(order(2)).encode()[:-1] + b',"id":2}'
    script([order(1), order(2)], [order(1), record(twice, "ORD-00000002"), order(3)])
    feed.deploy()
    run = feed.run()
    assert (run.accepted, run.unchanged, run.rejected_count) == (3, 1, 1)
    assert "twice" in RejectedMessage.objects.get().reason


@pytest.mark.parametrize("key", ["a\x00b", "a\x1fb", "", "x" * 501])
def test_a_key_that_cannot_be_used_is_one_rejected_message(
    feed: Feed, script: Callable[..., Scripted], key: str
) -> None:
    odd = Record(key, json.dumps(order(7)).encode(), datetime.now(UTC))
    script([order(1), odd])
    feed.deploy()
    run = feed.run()
    assert (run.state, run.accepted, run.rejected_count) == ("succeeded", 1, 1)


def test_a_version_out_of_range_is_one_rejected_message(feed: Feed, script: Callable[..., Scripted]) -> None:
    odd = Record("ORD-00000007", json.dumps(order(7)).encode(), datetime.now(UTC), "/Date(99999999999999999999)/")
    script([order(1), odd])
    feed.deploy()
    assert (feed.run().state, RejectedMessage.objects.get().reason_class) == ("succeeded", "version")


def test_two_unreadable_things_without_content_are_two_rejected_messages(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    gone = (RejectedRecord("a.csv:9", "the trailer says 4, and there are 3 records"), RejectedRecord("b.csv", "empty"))
    script(Page([], {"at": 1}, True, gone))
    feed.deploy()
    feed.run()
    assert RejectedMessage.objects.count() == 2


# -- one slow source and the others ------------------------------------------------------------------------------------
def test_while_a_slow_source_is_read_another_source_is_read_and_deliveries_go_on(
    feed: Feed, script: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each loop is a process of its own in production; here the slow one is a thread that hangs inside of a page."""
    source = script([order(1)], [order(2)])
    feed.deploy()
    slow = feed.start()
    other = make.Flow(feed.conn)
    inside, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        if len(source.asked) == 2:
            inside.set()
            assert go_on.wait(30)

    monkeypatch.setattr("runtime.worker.source_reader.GROUP", 1)
    source.before = hang
    collector = WorkerLoop(deliver=False, poll=0.05, name="collector-1")

    def read() -> None:
        collector.run(until_idle=True)
        django_connections.close_all()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert inside.wait(30)
        assert WorkerLoop(collect=False, poll=0.05, name="deliverer").run(until_idle=True).passed == 1
        run = Run.objects.create(
            integration_id=other.integration, stream_id=other.stream, source="orders", kind="collect", trigger="manual"
        )
        StreamSource.objects.create(stream_id=other.stream, name="orders")
        other.subscribe()
        given = order_feed()
        given["integration"] = other.key
        other.deploy(given)
        with connections.connected() as second:
            taken = source_polling.claim(second, owner="collector-2")
            assert taken is not None
            assert taken.run == run.pk
        slow.refresh_from_db()
        assert slow.state == "running"
    finally:
        go_on.set()
        thread.join(30)
    slow.refresh_from_db()
    assert (slow.state, slow.accepted) == ("succeeded", 2)


def test_the_first_of_several_collectors_is_kept_for_the_urgent_tiers() -> None:
    assert collector_tiers(0, 3, [0, 1, 2, 3]) == [0, 1]
    assert collector_tiers(1, 3, [0, 1, 2, 3]) == [0, 1, 2, 3]
    assert collector_tiers(0, 1, [0, 1, 2, 3]) == [0, 1, 2, 3]
    assert collector_tiers(0, 2, [3]) == [3]


def test_sources_are_read_by_processes_of_their_own_unless_somebody_says_otherwise() -> None:
    assert (arguments([]).loops, arguments([]).collectors) == (1, 3)
    assert arguments(["--no-collect"]).collectors == 0
    assert arguments(["--loops", "0", "--collectors", "2"]).loops == 0
    with pytest.raises(SystemExit):
        arguments(["--loops", "0", "--no-collect"])
