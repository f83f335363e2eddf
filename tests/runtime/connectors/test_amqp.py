"""AMQP 0-9-1 against a real RabbitMQ, with a proxy in between that breaks connections. The broker's own queue is the
witness."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import amqp
import pytest

from kernel.errors import Invalid
from runtime.connectors.amqp.connector import sink as open_sink
from runtime.connectors.amqp.connector import source as open_source
from runtime.connectors.protocols import CallContext, ConnectionFault, OutboundMessage, Refused, Retriable, Secrets
from tests.faults.proxy import FaultProxy
from tests.portal import rabbitmq
from tests.runtime.connectors.conformance import SinkConformance, SourceConformance, call, read_all

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not rabbitmq.here(), reason="no RabbitMQ on this machine: apt-get install rabbitmq-server"),
]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq.RabbitMQ]:
    with rabbitmq.running(tmp_path_factory.mktemp("rabbitmq")) as made:
        yield made


@pytest.fixture
def proxy(broker: rabbitmq.RabbitMQ) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", broker.port), seed=7) as made:
        yield made


@pytest.fixture
def channel(broker: rabbitmq.RabbitMQ) -> Iterator[Any]:
    made = channel_of(broker)
    yield made
    made.connection.close()


@pytest.fixture
def queue(channel: Any) -> str:
    name = f"orders-{next(NUMBERS)}"
    channel.queue_declare(name, durable=True, auto_delete=False)
    return name


@pytest.fixture
def secrets(broker: rabbitmq.RabbitMQ) -> dict[str, str]:
    return {"user": "tillgate", "password": broker.password}


@pytest.fixture
def circumstances(secrets: dict[str, str]) -> CallContext:
    return call(secrets)


def channel_of(broker: rabbitmq.RabbitMQ) -> Any:
    """A client of the library itself: the other side's witness."""
    made = amqp.Connection(
        f"127.0.0.1:{broker.port}",
        "tillgate",
        broker.password,
        login_method="PLAIN",
        connect_timeout=5,
        read_timeout=10,
    )
    made.connect()
    return made.channel()


def publish(channel: Any, queue: str, bodies: list[Any], **more: Any) -> None:
    channel.confirm_select()
    for number, body in enumerate(bodies):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties = {"message_id": f"m-{number}", "delivery_mode": 2} | more
        channel.basic_publish(amqp.Message(data, **properties), "", queue)
    while channel.queue_declare(queue, passive=True).message_count < len(bodies):
        pass


def left(channel: Any, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).message_count
    return count


def settings(port: int, **more: Any) -> dict[str, Any]:
    return {"base_url": f"amqp://127.0.0.1:{port}/", "auth": {"kind": "basic"}} | more


class TestSource(SourceConformance):
    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"m-{n}" for n in range(25)]

    @pytest.fixture
    def make(self, proxy: FaultProxy, channel: Any, queue: str, expected: list[str]) -> Any:
        publish(channel, queue, [{"id": n} for n in range(len(expected))])
        return lambda: open_source(settings(proxy.port, queue=queue, page_size=10))

    def test_a_new_instance_goes_on_from_any_stored_cursor(
        self, make: Any, circumstances: CallContext, expected: list[str]
    ) -> None:
        """A broker gives again what the next reading over the same connection did not let go of: nothing is missing,
        and what comes twice has the same key and content."""
        seen = set[str]()
        for _ in range(3):
            one = make()
            page = one.read(None, call=circumstances)
            seen |= {record.key for record in page.records}
            last = one.read(json.loads(json.dumps(page.cursor)), call=circumstances)
            seen |= {record.key for record in last.records}
            one.close()
        assert sorted(seen) == sorted(expected)

    def test_reading_a_page_again_gives_the_same_page(self, make: Any, circumstances: CallContext) -> None:
        one = make()
        first = one.read(None, call=circumstances)
        second = one.read(first.cursor, call=circumstances)
        one.close()
        other = make()
        again = other.read(first.cursor, call=circumstances)
        other.close()
        assert [r.key for r in second.records] == [r.key for r in again.records]


def test_what_is_stored_is_let_go_of_and_what_is_not_comes_again(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"id": n} for n in range(7)])
    lost = open_source(settings(proxy.port, queue=queue, page_size=3))
    assert len(lost.read(None, call=circumstances).records) == 3
    proxy.reset()  # the worker dies before the page is stored
    lost.close()
    source = open_source(settings(proxy.port, queue=queue, page_size=3))
    keys = [r.key for page in read_all(source, circumstances=circumstances) for r in page.records]
    assert keys == [f"m-{n}" for n in range(7)]
    source.close()
    assert left(channel, queue) == 0


def test_a_page_that_acknowledges_is_never_the_last_one(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"id": 1}])
    source = open_source(settings(proxy.port, queue=queue))
    first = source.read(None, call=circumstances)
    assert (first.done, first.acknowledges, len(first.records)) == (False, True, 1)
    second = source.read(first.cursor, call=circumstances)
    assert (second.done, second.acknowledges, len(second.records)) == (True, False, 0)
    source.close()


def test_a_cursor_of_another_connection_lets_go_of_nothing(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"id": n} for n in range(4)])
    old = open_source(settings(proxy.port, queue=queue, page_size=2))
    cursor = old.read(None, call=circumstances).cursor
    old.close()
    other = open_source(settings(proxy.port, queue=queue, page_size=2))
    assert [r.key for r in other.read(cursor, call=circumstances).records] == ["m-0", "m-1"]
    other.close()


def test_a_page_that_was_given_and_not_stored_is_given_again_and_never_let_go_of_with_a_later_one(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"id": n} for n in range(6)])
    source = open_source(settings(proxy.port, queue=queue, page_size=2))
    first = source.read(None, call=circumstances)
    lost = source.read(first.cursor, call=circumstances)  # the transaction that stores it fails
    again = source.read(first.cursor, call=circumstances)
    assert [r.key for r in again.records] == [r.key for r in lost.records] == ["m-2", "m-3"]
    rest = read_all(source, again.cursor, circumstances=circumstances)
    assert [r.key for page in rest for r in page.records] == ["m-4", "m-5"]
    source.close()
    assert left(channel, queue) == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe{}", "UTF-8"),
        (b"[1, 2]", "no JSON object"),
        (b'{"id": 1', "cannot be read as JSON"),
        (b'{"id": "\\ud800"}', "half a character"),
        (b"", "cannot be read as JSON"),
        (b'{"id": "' + b"x" * 5000 + b'"}', "max_size"),
    ],
)
def test_a_body_that_cannot_be_read_is_one_rejected_record(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext, body: bytes, reason: str
) -> None:
    publish(channel, queue, [{"id": 1}, body, {"id": 2}])
    source = open_source(settings(proxy.port, queue=queue, max_size=4096))
    pages = read_all(source, circumstances=circumstances)
    source.close()
    assert [r.key for page in pages for r in page.records] == ["m-0", "m-2"]
    (rejected,) = [r for page in pages for r in page.rejected]
    assert reason in rejected.reason
    assert "m-1" in rejected.origin
    assert left(channel, queue) == 0


def test_the_key_stands_in_the_body_where_the_settings_say_so(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"order": {"no": "A-1"}, "at": "2026-11-30T10:00:00Z"}, {"order": {}}], message_id="")
    source = open_source(settings(proxy.port, queue=queue, key_fields=["order.no"], version_field="at"))
    page = source.read(None, call=circumstances)
    source.close()
    assert [(r.key, r.version) for r in page.records] == [("A-1", "2026-11-30T10:00:00Z")]
    assert "order.no" in page.rejected[0].reason


def test_a_message_without_an_id_needs_key_fields(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    publish(channel, queue, [{"id": 1}], message_id="")
    source = open_source(settings(proxy.port, queue=queue))
    page = source.read(None, call=circumstances)
    source.close()
    assert "key_fields" in page.rejected[0].reason


def test_another_reader_of_the_queue_is_told(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    channel.basic_consume(queue, callback=lambda message: None)
    source = open_source(settings(proxy.port, queue=queue))
    assert "1 other reader" in source.read(None, call=circumstances).warnings[0]
    source.close()


def test_a_queue_that_is_not_there_a_wrong_password_and_no_broker_are_told_apart(
    proxy: FaultProxy, queue: str, circumstances: CallContext, secrets: dict[str, str]
) -> None:
    for given, shown, kind in (
        (settings(proxy.port, queue="nowhere"), secrets, "address"),
        (settings(proxy.port, queue=queue), secrets | {"password": "wrong-one"}, "credentials"),
        (
            settings(proxy.port, queue=queue) | {"base_url": f"amqp://127.0.0.1:{proxy.port}/no-host"},
            secrets,
            "address",
        ),
        (settings(proxy.port, queue=queue) | {"base_url": f"http://127.0.0.1:{proxy.port}/"}, secrets, "address"),
        (settings(proxy.port, queue=queue) | {"base_url": "amqp://no-such-host.invalid/"}, secrets, "name"),
        (settings(proxy.port, queue=queue), {}, "secret"),
    ):
        source = open_source(given)
        with pytest.raises(ConnectionFault) as found:
            source.read(None, call=call(shown))
        assert found.value.kind == kind, found.value.message
        assert "wrong-one" not in found.value.message
        health = source.check(call=call(shown))
        assert (health.ok, health.fault) == (False, kind)
    closed = open_source(settings(rabbitmq.free_port(), queue=queue))
    with pytest.raises(Retriable, match="cannot be reached"):
        closed.read(None, call=circumstances)


def test_a_broker_that_hangs_ends_at_the_deadline(proxy: FaultProxy, queue: str, secrets: dict[str, str]) -> None:
    proxy.set(blackhole=True)
    source = open_source(settings(proxy.port, queue=queue))
    began = time.monotonic()
    with pytest.raises(Retriable):
        source.read(None, call=CallContext(Secrets(secrets), deadline=0.3))
    assert time.monotonic() - began < 2


def test_an_address_of_no_system_is_never_connected_to(queue: str, circumstances: CallContext) -> None:
    source = open_source(settings(80, queue=queue) | {"base_url": "amqp://169.254.169.254/"})
    with pytest.raises(ConnectionFault) as found:
        source.read(None, call=circumstances)
    assert found.value.kind == "address"


# -- writing ----------------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    correlation: str


class TestSink(SinkConformance):
    @pytest.fixture
    def make(self, proxy: FaultProxy, queue: str) -> Any:
        return lambda: open_sink(settings(proxy.port, routing_key=queue, idempotency="K"))

    @pytest.fixture
    def wrong(self, secrets: dict[str, str]) -> CallContext:
        return call(secrets | {"password": "wrong-one"})

    @pytest.fixture
    def item(self) -> Any:
        def made() -> OutboundMessage:
            number = next(NUMBERS)
            return OutboundMessage(f"k-{number}", f"tg-{number}", b'{"n": 1}', correlation_id="till-9-42")

        return made

    @pytest.fixture
    def bad(self) -> OutboundMessage:
        return OutboundMessage("bad", "t" * 256, b"{}")

    @pytest.fixture
    def arrived(self, channel: Any, queue: str) -> Any:
        kept: list[Any] = []

        def found() -> list[Any]:
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                kept.append(message)
            return kept

        return found

    @pytest.fixture
    def effects(self, arrived: Any) -> Any:
        """How many different messages bear the id: its readers ignore one that comes again."""
        return lambda items: [
            len({m.properties["message_id"] for m in arrived() if m.properties["message_id"] == i.sent_key})
            for i in items
        ]

    @pytest.fixture
    def journal(self, arrived: Any) -> Any:
        return lambda items: [Entry(m.properties["correlation_id"]) for m in arrived()]

    @pytest.fixture
    def fault(self, proxy: FaultProxy) -> Any:
        def order(kind: str, **_: Any) -> None:
            if kind == "cut_after":
                proxy.set(cut_response=1.0)
            elif kind == "cut_before":
                proxy.set(cut_request=1.0)
            elif kind == "hang":
                proxy.set(blackhole=True)

        return order

    def test_a_lost_answer_is_unknown_and_asking_finds_it(self, *_: Any) -> None:
        pytest.skip("a broker cannot be asked; below")

    def test_a_write_that_never_arrived_is_not_found_by_asking(self, *_: Any) -> None:
        pytest.skip("a broker cannot be asked; below")

    def test_busy_applies_nothing_and_says_when_to_come_back(self, *_: Any) -> None:
        pytest.skip("a broker has no such answer; below")

    def test_the_deadline_makes_a_hanging_write_unknown(
        self, sink: Any, circumstances: CallContext, item: Any, fault: Any, secrets: dict[str, str]
    ) -> None:
        sink.write([item()], call=circumstances)  # the connection stands
        fault("hang")
        began = time.monotonic()
        (result,) = sink.write([item()], call=CallContext(Secrets(secrets), deadline=0.4))
        assert (result.status, time.monotonic() - began < 3) == ("unknown", True)
        with pytest.raises(Retriable):  # no connection: nothing was published
            sink.write([item()], call=CallContext(Secrets(secrets), deadline=0.4))


def outbound(number: int, **more: Any) -> OutboundMessage:
    return OutboundMessage(f"k-{number}", f"tg-{number}", b'{"n": 1}', **more)


def test_an_answer_that_is_lost_is_unknown_and_the_message_is_there(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    sink = open_sink(settings(proxy.port, routing_key=queue))
    assert sink.idempotency == "U"
    assert sink.write([outbound(0)], call=circumstances)[0].status == "confirmed"
    proxy.set(cut_response=1.0)
    (result,) = sink.write([outbound(1)], call=circumstances)
    proxy.clear()
    assert result.status == "unknown"
    assert left(channel, queue) == 2
    with pytest.raises(Refused) as refused:
        sink.ask(["tg-1"], call=circumstances)
    assert refused.value.code == "sink.cannot_ask"
    assert sink.write([outbound(2)], call=circumstances)[0].status == "confirmed"
    sink.close()


def test_what_no_queue_takes_is_no_success(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    sink = open_sink(settings(proxy.port, routing_key="a-queue-that-is-not-there"))
    (result,) = sink.write([outbound(1)], call=circumstances)
    assert (result.status, result.code, result.fault, result.retriable) == ("refused", "unroutable", "address", True)
    sink.close()
    by_store = open_sink(settings(proxy.port, routing_key="{queue}"))
    assert by_store.write_address == {"queue"}
    items = [outbound(2, address={"queue": queue}), outbound(3, address={"queue": "nowhere"}), outbound(4)]
    results = by_store.write(items, call=circumstances)
    assert [(r.status, r.code) for r in results] == [
        ("confirmed", ""),
        ("refused", "unroutable"),
        ("refused", "address"),
    ]
    by_store.close()
    assert left(channel, queue) == 1


def test_an_exchange_that_is_not_there_is_a_fault_before_anything_is_published(
    proxy: FaultProxy, circumstances: CallContext
) -> None:
    sink = open_sink(settings(proxy.port, exchange="nowhere", routing_key="x"))
    with pytest.raises(ConnectionFault) as found:
        sink.write([outbound(1)], call=circumstances)
    assert found.value.kind == "address"
    assert not sink.check(call=circumstances).ok
    sink.close()


def test_a_queue_that_is_full_and_refuses_is_no_success(
    proxy: FaultProxy, channel: Any, circumstances: CallContext
) -> None:
    queue = f"small-{next(NUMBERS)}"
    limit = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=limit)
    sink = open_sink(settings(proxy.port, routing_key=queue, idempotency="K"))
    results = sink.write([outbound(n) for n in range(3)], call=circumstances)
    assert [r.status for r in results].count("confirmed") == left(channel, queue) == 1
    assert all(r.retriable and r.code == "nack" for r in results[1:])
    sink.close()
    unsafe = open_sink(settings(proxy.port, routing_key=queue))
    assert unsafe.write([outbound(9)], call=circumstances)[0].status == "unknown"
    unsafe.close()


def test_a_later_state_of_a_key_is_never_published_before_the_one_in_front(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    sink = open_sink(settings(proxy.port, routing_key="{queue}"))
    states = [
        OutboundMessage("k-1", "tg-1", b'{"n": 1}', address={"queue": "nowhere"}),
        OutboundMessage("k-2", "tg-2", b'{"n": 1}', address={"queue": queue}),
        OutboundMessage("k-1", "tg-3", b'{"n": 2}', address={"queue": queue}),
        OutboundMessage("k-2", "tg-4", b'{"n": 2}', address={"queue": queue}),
    ]
    results = sink.write(states, call=circumstances)
    assert [(r.status, r.code) for r in results] == [
        ("refused", "unroutable"),
        ("confirmed", ""),
        ("refused", "not_sent"),
        ("confirmed", ""),
    ]
    assert results[2].retriable
    assert [channel.basic_get(queue, no_ack=True).properties["message_id"] for _ in range(2)] == ["tg-2", "tg-4"]
    sink.close()


def test_a_connection_that_ended_while_nothing_was_sent_costs_no_message(
    proxy: FaultProxy, channel: Any, queue: str, circumstances: CallContext
) -> None:
    sink = open_sink(settings(proxy.port, routing_key=queue))
    assert sink.write([outbound(1)], call=circumstances)[0].status == "confirmed"
    proxy.reset()
    assert sink.write([outbound(2)], call=circumstances)[0].status == "confirmed"
    assert left(channel, queue) == 2
    sink.close()


def test_settings_that_lead_nowhere_are_refused_with_their_place() -> None:
    for given, pointer in (
        ({}, "/queue"),
        ({"queue": "q" * 256}, "/queue"),
        ({"queue": "q", "page_size": 0}, "/page_size"),
        ({"queue": "q", "auth": {"kind": "bearer"}}, "/auth/kind"),
    ):
        with pytest.raises(Invalid) as found:
            open_source({"base_url": "https://connection.invalid", **given})
        assert found.value.findings[0]["pointer"] == pointer
    for given, pointer in (
        ({}, "/exchange"),
        ({"routing_key": "a.{b"}, "/routing_key"),
        ({"exchange": "e", "max_batch": 0}, "/max_batch"),
    ):
        with pytest.raises(Invalid) as found:
            open_sink({"base_url": "https://connection.invalid", **given})
        assert found.value.findings[0]["pointer"] == pointer
