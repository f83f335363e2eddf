"""Kafka against the brokers of librdkafka; its own client is the witness of what is there."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.kafka.connector import sink as open_sink
from runtime.connectors.kafka.connector import source as open_source
from runtime.connectors.protocols import CallContext, ConnectionFault, OutboundMessage, Refused, Retriable, Secrets
from tests.runtime.connectors.conformance import SinkConformance, SourceConformance, call, read_all
from tests.runtime.connectors.kafka_brokers import Brokers

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def brokers() -> Iterator[Brokers]:
    made = Brokers()
    yield made
    made.close()


@pytest.fixture
def topic() -> str:
    return f"orders-{next(NUMBERS)}"


@pytest.fixture
def circumstances() -> CallContext:
    return call()


@pytest.fixture
def opened() -> Iterator[Any]:
    """Opens, and closes at the end."""
    made: list[Any] = []

    def opens(kind: Any, settings: dict[str, Any]) -> Any:
        made.append(kind(settings))
        return made[-1]

    yield opens
    for one in made:
        one.close()


def bodies(number: int) -> list[tuple[str | None, bytes | None]]:
    return [(f"k-{n}", json.dumps({"id": n}).encode()) for n in range(number)]


class TestSource(SourceConformance):
    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"k-{n}" for n in range(60)]

    @pytest.fixture
    def make(self, brokers: Brokers, topic: str, expected: list[str]) -> Any:
        brokers.produce(topic, bodies(len(expected)))
        return lambda: open_source(brokers.settings(topic, page_size=25))

    def test_reading_a_page_again_gives_the_same_page(self, make: Any, circumstances: CallContext) -> None:
        """Which partitions a page has records of is the brokers' choice; of each it has what follows the cursor."""
        one, other = make(), make()
        first = one.read(None, call=circumstances)
        pages = [one.read(first.cursor, call=circumstances), other.read(first.cursor, call=circumstances)]
        one.close()
        other.close()
        for page in pages:
            for partition, behind in page.cursor["offsets"].items():
                places = [r.origin for r in page.records if f"[{partition}]@" in r.origin]
                begins = first.cursor["offsets"][partition]
                assert [int(place.rpartition("@")[2]) for place in places] == list(range(begins, behind))


def test_a_run_ends_where_the_topic_ended_when_it_began_and_the_next_one_goes_on_there(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, bodies(30))
    source = opened(open_source, brokers.settings(topic, page_size=10))
    first = source.read(None, call=circumstances)
    brokers.produce(topic, [(f"new-{n}", b'{"id": 1}') for n in range(5)])
    rest = read_all(source, first.cursor, circumstances=circumstances)
    keys = [r.key for page in [first, *rest] for r in page.records]
    assert sorted(keys) == sorted(f"k-{n}" for n in range(30))
    later = read_all(opened(open_source, brokers.settings(topic)), rest[-1].cursor, circumstances=circumstances)
    assert sorted(r.key for page in later for r in page.records) == [f"new-{n}" for n in range(5)]


def test_offsets_that_the_topic_never_had_are_told_and_it_is_read_anew(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, bodies(8))
    source = opened(open_source, brokers.settings(topic))
    cursor = {"offsets": {"0": 900, "1": 0, "2": 0, "3": 0, "7": 5}}
    page = source.read(cursor, call=circumstances)
    assert f"{topic}[0] ends at" in page.trouble
    assert f"{topic}[7] is not there any more" in page.trouble
    assert sorted(r.key for r in page.records) == sorted(f"k-{n}" for n in range(8))
    assert "7" not in page.cursor["offsets"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe{}", "UTF-8"),
        (b"[1, 2]", "no JSON object"),
        (b'{"id": 1', "cannot be read as JSON"),
        (b'{"id": "\\ud800"}', "half a character"),
        (b"", "cannot be read as JSON"),
        (b'{"id": "' + b"x" * 5000 + b'"}', "max_size"),
        (None, "deletion"),
    ],
)
def test_a_value_that_cannot_be_read_is_one_rejected_record(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any, value: bytes | None, reason: str
) -> None:
    brokers.produce(topic, [("a", b'{"id": 1}'), ("odd", value), ("b", b'{"id": 2}')])
    source = opened(open_source, brokers.settings(topic, max_size=4096))
    pages = read_all(source, circumstances=circumstances)
    assert sorted(r.key for page in pages for r in page.records) == ["a", "b"]
    (rejected,) = [r for page in pages for r in page.rejected]
    assert reason in rejected.reason
    assert rejected.origin.startswith(f"{topic}[")


def test_the_key_is_that_of_the_value_of_the_record_or_its_place(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, [(None, b'{"no": "A-1", "at": "2026-11-30T10:00:00Z"}'), ("k", b'{"no": "A-2"}')])
    by_field = opened(open_source, brokers.settings(topic, key_fields=["no"], version_field="at"))
    found = read_all(by_field, circumstances=circumstances)
    assert sorted((r.key, r.version) for page in found for r in page.records) == [
        ("A-1", "2026-11-30T10:00:00Z"),
        ("A-2", None),
    ]
    plain = read_all(opened(open_source, brokers.settings(topic)), circumstances=circumstances)
    keys = sorted(r.key for page in plain for r in page.records)
    assert keys[0] == "k"
    assert keys[1].startswith(f"{topic}[")
    assert keys[1].endswith("]@0")


def test_what_a_registry_of_schemas_puts_before_the_json_is_taken_off(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, [("a", b'\x00\x00\x00\x00\x07{"id": 1}'), ("b", b'{"id": 2}')])
    source = opened(open_source, brokers.settings(topic, framing="schema_registry"))
    pages = read_all(source, circumstances=circumstances)
    assert [r.payload for page in pages for r in page.records] == [b'{"id": 1}']
    assert "framing" in pages[0].rejected[0].reason


def test_a_broker_that_is_not_registered_is_never_connected_to(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, bodies(20))
    source = opened(open_source, brokers.settings(topic) | {"further_hosts": []})
    with pytest.raises(ConnectionFault) as found:  # what the registered one has is read first
        read_all(source, circumstances=CallContext(deadline=2.0))
    assert found.value.kind == "address"
    assert "not registered" in found.value.message


def test_wrong_addresses_and_secrets_are_told_apart(brokers: Brokers, topic: str, opened: Any) -> None:
    for more, secrets, kind in (
        ({"base_url": "http://127.0.0.1:1/"}, {}, "address"),
        ({"base_url": "kafka://no-such-host.invalid:9092"}, {}, "name"),
        ({"base_url": "kafka://169.254.169.254:9092"}, {}, "address"),
        ({"auth": {"kind": "basic"}}, {}, "secret"),
        ({"auth": {"kind": "none", "client_certificate": True}}, {}, "address"),
    ):
        source = opened(open_source, brokers.settings(topic) | more)
        with pytest.raises(ConnectionFault) as found:
            source.read(None, call=CallContext(Secrets(secrets), deadline=1.0))
        assert found.value.kind == kind, found.value.message


def test_brokers_that_hang_end_at_the_deadline_and_go_on_later(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    brokers.produce(topic, bodies(10))
    source = opened(open_source, brokers.settings(topic, page_size=4))
    first = source.read(None, call=circumstances)
    brokers.freeze()
    began = time.monotonic()
    try:
        with pytest.raises(Retriable):
            opened(open_source, brokers.settings(topic)).read(first.cursor, call=CallContext(deadline=0.5))
        assert time.monotonic() - began < 4
    finally:
        brokers.go_on()
    rest = read_all(source, first.cursor, circumstances=circumstances)
    keys = [r.key for page in [first, *rest] for r in page.records]
    assert sorted(keys) == sorted(f"k-{n}" for n in range(10))


# -- writing ----------------------------------------------------------------------------------------------------------


class Entry:
    def __init__(self, correlation: str) -> None:
        self.correlation = correlation


class TestSink(SinkConformance):
    @pytest.fixture
    def make(self, brokers: Brokers, topic: str) -> Any:
        return lambda: open_sink(brokers.settings(topic, idempotency="L", max_size=4096))

    @pytest.fixture
    def wrong(self) -> None:
        return None

    @pytest.fixture
    def item(self) -> Any:
        def made() -> OutboundMessage:
            number = next(NUMBERS)
            return OutboundMessage(f"k-{number}", f"tg-{number}", b'{"n": 1}', correlation_id="till-9-42")

        return made

    @pytest.fixture
    def bad(self) -> OutboundMessage:
        return OutboundMessage("bad", "tg-bad", b"x" * 100_000)

    @pytest.fixture
    def effects(self, brokers: Brokers, topic: str) -> Any:
        def counted(items: list[OutboundMessage]) -> list[int]:
            names = [dict(one.headers() or [])["idempotency-key"].decode() for one in brokers.held(topic)]
            return [names.count(one.sent_key) for one in items]

        return counted

    @pytest.fixture
    def journal(self, brokers: Brokers, topic: str) -> Any:
        return lambda items: [
            Entry(dict(one.headers() or [])["correlation-id"].decode()) for one in brokers.held(topic)
        ]

    @pytest.fixture
    def fault(self, brokers: Brokers) -> Iterator[Any]:
        yield lambda kind, **_: brokers.freeze()
        brokers.go_on()

    def test_check_is_well_and_writes_nothing(
        self, sink: Any, circumstances: CallContext, item: Any, effects: Any
    ) -> None:
        sink.write([item()], call=circumstances)  # the topic is there from now on
        one = item()
        assert sink.check(call=circumstances).ok
        assert effects([one]) == [0]

    def test_a_lost_answer_is_unknown_and_asking_finds_it(
        self, sink: Any, circumstances: CallContext, item: Any, brokers: Brokers, effects: Any
    ) -> None:
        sink.write([item()], call=circumstances)
        one = item()
        brokers.freeze()
        try:
            (result,) = sink.write([one], call=CallContext(deadline=0.4))
        finally:
            brokers.go_on()
        assert result.status == "unknown"
        found = sink.ask([one.sent_key, "tg-never"], call=circumstances)
        assert bool(found[one.sent_key]) == bool(effects([one])[0])
        assert found["tg-never"] is None

    def test_a_write_that_never_arrived_is_not_found_by_asking(
        self, sink: Any, circumstances: CallContext, item: Any
    ) -> None:
        sink.write([item()], call=circumstances)
        assert sink.ask(["tg-never"], call=circumstances) == {"tg-never": None}

    def test_busy_applies_nothing_and_says_when_to_come_back(self, *_: Any) -> None:
        pytest.skip("a broker has no such answer")

    def test_the_deadline_makes_a_hanging_write_unknown(
        self, sink: Any, circumstances: CallContext, item: Any, fault: Any
    ) -> None:
        sink.write([item()], call=circumstances)
        fault("hang")
        began = time.monotonic()
        assert [one.status for one in sink.write([item()], call=CallContext(deadline=0.4))] == ["unknown"]
        assert time.monotonic() - began < 3


def test_what_was_answered_as_unknown_is_not_sent_later(brokers: Brokers, topic: str, opened: Any) -> None:
    sink = opened(open_sink, brokers.settings(topic))
    items = [OutboundMessage(f"k-{n}", f"tg-{n}", b"{}") for n in range(40)]
    assert sink.write(items[:1], call=call())[0].status == "confirmed"
    brokers.freeze()
    try:
        results = sink.write(items[1:], call=CallContext(deadline=0.4))
        assert "unknown" in {one.status for one in results}
        assert not [one.name for one in threading.enumerate() if "producer" in one.name]
    finally:
        brokers.go_on()


def test_a_key_is_absent_only_where_the_topic_was_looked_through_far_enough(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    sink = opened(open_sink, brokers.settings(topic, idempotency="L", most_looked_at=2))
    items = [OutboundMessage("same", f"tg-{n}", b"{}") for n in range(6)]
    sink.write(items, call=circumstances)
    found = sink.ask(["tg-0", "tg-5", "tg-never"], call=circumstances)
    assert found["tg-5"] is not None
    assert "tg-0" not in found
    assert "tg-never" not in found  # nobody knows


def test_records_of_one_key_keep_their_order(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    sink = opened(open_sink, brokers.settings(topic, key="{customer}"))
    assert sink.write_address == {"customer"}
    items = [
        OutboundMessage(f"m-{n}", f"tg-{n}", json.dumps({"n": n}).encode(), address={"customer": f"c-{n % 3}"})
        for n in range(60)
    ]
    assert {one.status for one in sink.write(items, call=circumstances)} == {"confirmed"}
    held: dict[bytes, list[int]] = {}
    for one in brokers.held(topic):
        held.setdefault(one.key(), []).append(json.loads(one.value())["n"])
    assert sorted(held) == [b"c-0", b"c-1", b"c-2"]
    assert all(numbers == sorted(numbers) for numbers in held.values())
    (refused,) = sink.write([OutboundMessage("x", "tg-x", b"{}")], call=circumstances)
    assert (refused.status, refused.code) == ("refused", "address")


def test_a_later_state_of_a_key_is_never_written_before_the_one_in_front(
    brokers: Brokers, topic: str, circumstances: CallContext, opened: Any
) -> None:
    sink = opened(open_sink, brokers.settings(topic, max_size=4096))
    states = [
        OutboundMessage("k-1", "tg-1", b"x" * 100_000),
        OutboundMessage("k-2", "tg-2", b"{}"),
        OutboundMessage("k-1", "tg-3", b"{}"),
        OutboundMessage("k-2", "tg-4", b"{}"),
    ]
    results = sink.write(states, call=circumstances)
    assert [(r.status, r.code) for r in results] == [
        ("refused", "kafka.record"),
        ("confirmed", ""),
        ("refused", "not_sent"),
        ("confirmed", ""),
    ]
    names = [dict(one.headers())["idempotency-key"] for one in brokers.held(topic)]
    assert names == [b"tg-2", b"tg-4"]


def test_only_a_topic_that_is_looked_through_can_be_asked(brokers: Brokers, topic: str, opened: Any) -> None:
    for idempotency in ("K", "U"):
        sink = opened(open_sink, brokers.settings(topic, idempotency=idempotency))
        assert sink.idempotency == idempotency
        with pytest.raises(Refused) as refused:
            sink.ask(["tg-1"], call=CallContext())
        assert refused.value.code == "sink.cannot_ask"


def test_settings_that_lead_nowhere_are_refused_with_their_place() -> None:
    for opens, given, pointer in (
        (open_source, {}, "/topic"),
        (open_source, {"topic": "a b"}, "/topic"),
        (open_source, {"topic": "t", "page_size": 0}, "/page_size"),
        (open_source, {"topic": "t", "dialect": "new"}, "/dialect"),
        (open_source, {"topic": "t", "auth": {"kind": "bearer"}}, "/auth/kind"),
        (open_sink, {"topic": "t", "key": "{a"}, "/key"),
        (open_sink, {"topic": "t", "look_back": 0}, "/look_back"),
    ):
        with pytest.raises(Invalid) as found:
            opens({"base_url": "https://connection.invalid", **given})
        assert found.value.findings[0]["pointer"] == pointer
