"""What every connector must do, whatever its protocol. A connector's tests inherit these classes and give the fixtures.

Nothing here knows a vendor. The target system is real: an emulator process or a server, and its own journal is the
witness. The shapes of connectors are those of the product, whose checkout stands in the path.
"""

import json
import time
from dataclasses import replace

import pytest

try:
    from kernel import egress
    from kernel.networks import Reach
    from runtime.connectors.protocols import (
        CallContext,
        ConnectionFault,
        OutboundMessage,
        Retriable,
        Secrets,
        SinkConnector,
        SourceConnector,
        Unknown,
    )
except ModuleNotFoundError as error:  # the wheel is installed, and the product is not in the path
    if (error.name or "").partition(".")[0] not in ("kernel", "runtime"):
        raise
    raise ImportError(
        "tillgate_conformance needs the checkout of Tillgate in the path: PYTHONPATH=/path/to/tillgate"
    ) from error

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def call(secrets=None, **more):
    return CallContext(
        **{
            "secrets": Secrets(secrets or {}),
            "deadline": 10.0,
            "correlation_id": "till-9-42",
            "traceparent": TRACE,
            **more,
        }
    )


def read_all(source, cursor=None, *, circumstances, limit=200):
    """Every page of one run, with each cursor passed through JSON as the ledger would store it."""
    pages = []
    for _ in range(limit):
        page = source.read(json.loads(json.dumps(cursor)) if cursor is not None else None, call=circumstances)
        pages.append(page)
        cursor = page.cursor
        if page.done:
            return pages
    raise AssertionError(f"the run did not end within {limit} pages")


class _OnThisMachine:
    """A server of the tests may be on this machine, which no installation calls by itself."""

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def this_machine_is_reached(cls):
        before = egress.systems()
        egress.configure(Reach(private=True, loopback=True), egress.receivers())
        yield
        egress.configure(before, egress.receivers())


class SourceConformance(_OnThisMachine):
    """Give fixtures: `make` (a function that opens a new source), `circumstances` (a Call), `expected` (all keys)."""

    @pytest.fixture
    def source(self, make):
        made = make()
        yield made
        made.close()

    def test_is_a_source(self, source):
        assert isinstance(source, SourceConnector)

    def test_check_is_well(self, source, circumstances):
        health = source.check(call=circumstances)
        assert health.ok, health.detail

    def test_discover_names_something_to_read(self, source, circumstances):
        assert source.discover(call=circumstances)

    def test_every_record_is_read_once(self, source, circumstances, expected):
        keys = [r.key for page in read_all(source, circumstances=circumstances) for r in page.records]
        assert sorted(keys) == sorted(expected)

    def test_it_takes_more_than_one_page(self, source, circumstances):
        assert len(read_all(source, circumstances=circumstances)) > 1, "the fixture is too small to show paging"

    def test_the_payload_is_json_and_the_time_has_a_zone(self, source, circumstances):
        for page in read_all(source, circumstances=circumstances):
            for record in page.records:
                assert isinstance(json.loads(record.payload), dict)
                assert record.received_at.tzinfo is not None

    def test_a_new_instance_goes_on_from_any_stored_cursor(self, make, circumstances, expected):
        first = make()
        page = first.read(None, call=circumstances)
        first.close()
        seen = [r.key for r in page.records]
        while not page.done:
            other = make()
            page = other.read(json.loads(json.dumps(page.cursor)), call=circumstances)
            other.close()
            seen += [r.key for r in page.records]
        assert sorted(seen) == sorted(expected)

    def test_reading_a_page_again_gives_the_same_page(self, make, circumstances):
        source = make()
        first = source.read(None, call=circumstances)
        if not first.done:
            second = source.read(first.cursor, call=circumstances)
            other = make()
            again = other.read(first.cursor, call=circumstances)
            assert [r.key for r in second.records] == [r.key for r in again.records]
            other.close()
        source.close()


class HttpSourceConformance(SourceConformance):
    """Also give: `fault` (kind, **fields) for the other side, `wrong` (a Call with a wrong secret)."""

    def test_check_says_what_is_wrong_without_the_secret(self, source, wrong):
        health = source.check(call=wrong)
        assert not health.ok
        assert not any(value in health.detail for value in wrong.secrets.values())

    def test_a_missing_secret_is_named(self, source):
        with pytest.raises(ConnectionFault, match="is not set"):
            source.read(None, call=CallContext())

    def test_busy_says_when_to_come_back(self, source, circumstances, fault):
        fault("status", status=429, retry_after=7, next=1)
        with pytest.raises(Retriable) as busy:
            source.read(None, call=circumstances)
        assert busy.value.after == 7

    def test_a_cut_answer_to_a_read_is_retriable(self, source, circumstances, fault):
        fault("cut_before", next=1)
        with pytest.raises(Retriable):
            source.read(None, call=circumstances)

    def test_the_deadline_ends_a_call_that_hangs(self, source, circumstances, fault):
        fault("hang", next=1)
        started = time.monotonic()
        with pytest.raises(Retriable):
            source.read(None, call=replace(circumstances, deadline=0.15))
        assert time.monotonic() - started < 2


class SinkConformance(_OnThisMachine):
    """Give fixtures: `make`, `circumstances`, `fault`, `item(n)` → a good Item, `bad` → an Item that is refused,
    `effects(items)` → how often each of these took effect by the other side's journal."""

    @pytest.fixture
    def sink(self, make):
        made = make()
        yield made
        made.close()

    def test_is_a_sink_and_declares_its_class(self, sink):
        assert isinstance(sink, SinkConnector)
        assert sink.idempotency in "KNLU"
        assert sink.max_batch >= 1

    def test_check_is_well_and_writes_nothing(self, sink, circumstances, item, effects):
        one = item()
        assert sink.check(call=circumstances).ok
        assert effects([one]) == [0]

    def test_check_says_what_is_wrong_without_the_secret(self, sink, wrong):
        if wrong is None:
            pytest.skip("the other side needs no secret")
        health = sink.check(call=wrong)
        assert not health.ok
        assert not any(value in health.detail for value in wrong.secrets.values())

    def test_an_empty_batch_is_nothing(self, sink, circumstances):
        assert sink.write([], call=circumstances) == []

    def test_every_item_is_answered_in_order_and_applied_once(self, sink, circumstances, item, effects):
        items = [item() for _ in range(3)]
        outcomes = sink.write(items, call=circumstances)
        assert [(o.key, o.status) for o in outcomes] == [(i.key, "confirmed") for i in items]
        assert all(o.reference for o in outcomes)
        assert effects(items) == [1, 1, 1]

    def test_one_refusal_leaves_the_others_alone(self, sink, circumstances, item, bad, effects):
        items = [item(), bad, item()]
        outcomes = sink.write(items, call=circumstances)
        assert [o.status for o in outcomes] == ["confirmed", "refused", "confirmed"]
        assert outcomes[1].message
        assert not outcomes[1].retriable
        assert effects([items[0], items[2]]) == [1, 1]

    def test_a_lost_answer_is_unknown_and_asking_finds_it(self, sink, circumstances, item, fault, effects):
        items = [item()]
        fault("cut_after", next=1)
        outcomes = sink.write(items, call=circumstances)
        assert [o.status for o in outcomes] == ["unknown"]
        found = sink.ask([items[0].key], call=circumstances)
        assert found[items[0].key]
        assert effects(items) == [1]

    def test_a_write_that_never_arrived_is_not_found_by_asking(self, sink, circumstances, item, fault, effects):
        items = [item()]
        fault("cut_before", next=1, ops="writes")
        try:
            outcomes = sink.write(items, call=circumstances)
            assert [o.status for o in outcomes] == ["unknown"]
        except Retriable:
            pass
        assert sink.ask([items[0].key], call=circumstances) == {items[0].key: None}
        assert effects(items) == [0]

    def test_sending_again_has_no_second_effect_where_the_class_says_so(self, sink, circumstances, item, effects):
        items = [item(), item()]
        sink.write(items, call=circumstances)
        again = sink.write(items, call=circumstances) if sink.idempotency in "KN" else []
        assert all(o.status == "confirmed" for o in again)
        assert effects(items) == [1, 1]

    def test_busy_applies_nothing_and_says_when_to_come_back(self, sink, circumstances, item, fault, effects):
        items = [item()]
        fault("status", status=429, retry_after=3, next=1, ops="writes")
        with pytest.raises(Retriable) as busy:
            sink.write(items, call=circumstances)
        assert busy.value.after == 3
        assert effects(items) == [0]

    def test_the_deadline_makes_a_hanging_write_unknown(self, sink, circumstances, item, fault):
        fault("hang", next=1, ops="writes")
        started = time.monotonic()
        outcomes = sink.write([item()], call=replace(circumstances, deadline=0.3))
        assert [o.status for o in outcomes] == ["unknown"]
        assert time.monotonic() - started < 3

    def test_asking_nothing_is_answered_by_nothing(self, sink, circumstances):
        assert sink.ask([], call=circumstances) == {}

    def test_the_correlation_id_arrives(self, sink, circumstances, item, journal):
        one = item()
        sink.write([one], call=circumstances)
        assert [e.correlation for e in journal([one])] == ["till-9-42"]


__all__ = [
    "HttpSourceConformance",
    "OutboundMessage",
    "SinkConformance",
    "SourceConformance",
    "Unknown",
    "call",
    "read_all",
]
