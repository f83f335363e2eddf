"""One trace from a till's call to the vendor's answer, in a collector that speaks OTLP over HTTP; and nothing of it
where nobody asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from kernel import tracing
from portal import trace_batches, trace_export
from runtime.connectors.protocols import Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import ManifestTarget
from runtime.ledger import connections
from runtime.ledger.mappers import Mapper
from runtime.ledger.vendor_target import MappedVendor
from runtime.models import Message
from runtime.services.sink_vendor import SinkVendor
from runtime.worker.delivery import serve_one
from tests.runtime.connectors.server import Server

pytestmark = pytest.mark.django_db(transaction=True)
TRACE, TILL = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENDER = f"00-{TRACE}-{TILL}-01"


class Collector:
    """What an OpenTelemetry collector is to a sender: it decodes what came, and answers as the protocol says."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.server = Server(self.take)

    def take(self, seen: Any) -> tuple[int, dict[str, str], bytes]:
        request = ExportTraceServiceRequest.FromString(seen.body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return 200, {"Content-Type": "application/x-protobuf"}, ExportTraceServiceResponse().SerializeToString()

    def named(self, name: str) -> Any:
        """The only span of this name in the sender's trace."""
        (found,) = [span for span in self.spans if span.name == name and span.trace_id.hex() == TRACE]
        return found


def values(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    with made.server as server:
        trace_batches.start("test", trace_batches.SpansOnTheWire(endpoint=f"{server.url}/v1/traces"))
        yield made
        trace_batches.stop()


class VendorClients:
    """What a worker opens for its claims: every target is one REST vendor."""

    def __init__(self, url: str) -> None:
        settings = {"base_url": url, "path": "orders", "lookup": {"path": "lookup"}, "idempotency": "L"}
        target = ManifestTarget("journal", "s4", {}, [], "L")
        vendor = SinkVendor(open_sink("rest", settings), Secrets({"password": "hunter2hunter2"}), target, "")
        self.mapped = MappedVendor(Mapper(lambda message: message.document), vendor)

    def vendor(self, taken: Any, *, connected: bool = True) -> Any:
        return lambda release: self.mapped

    def serve(self, rounds: int = 4) -> None:
        try:
            self._serve(rounds)
        finally:
            self.mapped.vendor.close()  # type: ignore[attr-defined]

    def _serve(self, rounds: int) -> None:
        with connections.connected(name="tillgate-test") as conn:
            for _ in range(rounds):
                serve_one(conn, self, owner="w")  # type: ignore[arg-type]


def test_one_trace_leads_from_the_till_to_the_vendors_answer(till: Any, collector: Collector) -> None:
    with Server(lambda seen: (200, {}, {"id": "V1"})) as vendor:
        assert till({"items": [{"id": "a"}]}, traceparent=SENDER).status_code == 202
        VendorClients(vendor.url).serve()
        sent = [seen.headers["traceparent"] for seen in vendor.seen]
    trace_batches.stop()
    request = collector.named("POST api/v1/intake/<slug:key>/")
    assert request.parent_span_id.hex() == TILL
    intake, append = collector.named("intake"), collector.named("append")
    assert (intake.parent_span_id, append.parent_span_id) == (request.span_id, intake.span_id)
    assert Message.objects.get().traceparent == f"00-{TRACE}-{intake.span_id.hex()}-01"
    delivered = [span for span in collector.spans if span.name == "deliver" and span.trace_id.hex() == TRACE]
    assert {span.parent_span_id for span in delivered} == {intake.span_id}
    assert {values(span)["tillgate.target"] for span in delivered} == {"journal", "earn"}
    assert {values(span)["tillgate.outcome"] for span in delivered} == {"confirmed"}
    assert {event.name for span in delivered for event in span.events} == {"claimed"}
    calls = [span for span in collector.spans if span.name == "vendor.send"]
    assert {span.parent_span_id for span in calls} == {span.span_id for span in delivered}
    assert sorted(sent) == sorted(f"00-{TRACE}-{span.span_id.hex()}-01" for span in calls)


def test_the_question_after_a_lost_answer_is_in_the_trace(till: Any, collector: Collector) -> None:
    def answer(seen: Any) -> tuple[int, dict[str, str], Any]:
        return (200, {}, {"id": "V1"}) if "lookup" in seen.path else (502, {}, {"error": "gateway"})

    with Server(answer) as vendor:
        till({"items": [{"id": "a"}]}, traceparent=SENDER)
        VendorClients(vendor.url).serve(1)
        asked = [seen for seen in vendor.seen if "lookup" in seen.path]
    trace_batches.stop()
    call = next(span for span in collector.spans if span.name == "vendor.send")
    question = next(span for span in collector.spans if span.name == "vendor.ask")
    assert question.trace_id.hex() == call.trace_id.hex() == TRACE
    assert values(call)["http.response.status_code"] == 502
    assert asked[0].headers["traceparent"] == f"00-{TRACE}-{question.span_id.hex()}-01"


def test_messages_of_one_call_share_their_spans(till: Any, collector: Collector) -> None:
    with Server(lambda seen: (200, {}, {"id": "V1"})) as vendor:
        till({"items": [{"id": f"k{n}"} for n in range(8)]}, traceparent=SENDER)
        VendorClients(vendor.url).serve(6)
    trace_batches.stop()
    delivered = [values(span) for span in collector.spans if span.name == "deliver"]
    lanes_and_targets = 2 * 2
    assert len(delivered) <= lanes_and_targets
    assert sum(one["tillgate.messages"] for one in delivered) == 8 * 2
    assert {one["tillgate.outcome"] for one in delivered} == {"confirmed"}
    assert len([span for span in collector.spans if span.name == "vendor.send"]) == 8 * 2


def test_while_nothing_is_traced_the_vendor_still_gets_the_trace_of_the_sender(till: Any) -> None:
    assert not tracing.on()
    with Server(lambda seen: (200, {}, {"id": "V1"})) as vendor:
        till({"items": [{"id": "a"}]}, traceparent=SENDER)
        till({"items": [{"id": "b"}]}, traceparent="00-" + "0" * 32 + "-" + "1" * 16 + "-01")
        VendorClients(vendor.url).serve()
        sent = {seen.json()["id"]: seen.headers.get("traceparent", "") for seen in vendor.seen}
    assert sent["a"].startswith(f"00-{TRACE}-")
    assert sent["a"] != SENDER
    correlation = sent["b"][3:35]
    assert int(correlation[:16], 16) == 0x0123_4567_89AB_CDEF  # of no valid sender: the message's correlation


def test_a_collector_that_is_away_delays_nobody_and_loses_no_message(till: Any) -> None:
    trace_batches.start("test", trace_batches.SpansOnTheWire(endpoint="http://127.0.0.1:9/v1/traces", timeout=0.2))
    try:
        with Server(lambda seen: (200, {}, {"id": "V1"})) as vendor:
            assert till({"items": [{"id": "a"}]}, traceparent=SENDER).status_code == 202
            VendorClients(vendor.url).serve()
            assert len(vendor.seen) == 2
    finally:
        trace_batches.stop()


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_exported_where_an_endpoint_is_set(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], asked: bool
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert trace_export.wanted() is asked


def test_without_an_endpoint_the_library_is_not_even_loaded() -> None:
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]


LOADED = """
import os, sys
os.environ.update(DJANGO_SETTINGS_MODULE="portal.settings", SECRET_KEY="x")
import django
django.setup()
from kernel import tracing
from portal import trace_export, observing
from runtime.worker import loop
trace_export.start("web")
print(tracing.on(), any(name.startswith("opentelemetry") for name in sys.modules))
"""
