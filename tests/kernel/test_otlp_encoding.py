"""What is written of a span is what the library writes of one of its own, and decodes to what was said."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from kernel import otlp_encoding
from kernel.opentelemetry_spans import OpenTelemetryTracer
from kernel.otlp_encoding import FinishedSpan

RESOURCE = {"service.name": "tillgate", "tillgate.role": "web", "process.pid": 7}
VALUES: list[dict[str, Any]] = [
    {},
    {"text": "a", "empty": "", "umlaut": "Größe 🧾", "long": "x" * 300, "yes": True, "no": False},
    {"zero": 0, "large": 2**62, "negative": -3, "edge": 127, "over": 128, "half": 0.5, "below": -1e300},
]


def of_the_library(span: FinishedSpan) -> ReadableSpan:
    def place(number: int, *, remote: bool) -> SpanContext:
        return SpanContext(span.trace, number, is_remote=remote, trace_flags=TraceFlags(1))

    return ReadableSpan(
        span.name,
        context=place(span.span, remote=False),
        parent=place(span.parent, remote=span.remote) if span.parent else None,
        resource=Resource(RESOURCE),
        attributes=span.values,
        events=[Event(name, timestamp=at) for name, at in span.events],
        links=[Link(SpanContext(of, number, is_remote=True, trace_flags=TraceFlags(1))) for of, number in span.links],
        kind={1: SpanKind.INTERNAL, 2: SpanKind.SERVER, 3: SpanKind.CLIENT, 5: SpanKind.CONSUMER}[span.kind],
        instrumentation_scope=InstrumentationScope("tillgate"),
        status=Status(StatusCode.ERROR, span.status) if span.status is not None else Status(),
        start_time=span.start,
        end_time=span.end,
    )


def some(count: int) -> Sequence[FinishedSpan]:
    dice = random.Random(5)
    return [
        FinishedSpan(
            dice.getrandbits(128) or 1,
            dice.getrandbits(64) or 1,
            dice.choice([0, dice.getrandbits(64)]),
            False,
            dice.choice(["append", "POST api/v1/intake/<slug:key>/", "n" * 200]),
            dice.choice([1, 2, 3, 5]),
            dice.getrandbits(62),
            dice.getrandbits(62),
            dice.choice(VALUES),
            dice.choice([[], [("claimed", dice.getrandbits(60))]]),
            dice.choice([[], [(dice.getrandbits(128), dice.getrandbits(64)), (1, 2)]]),
            dice.choice([None, "", "ValueError"]),
        )._replace(remote=False)
        for _ in range(count)
    ]


def test_what_is_written_decodes_to_what_the_library_writes() -> None:
    spans = [span._replace(remote=bool(span.parent) and n % 2 == 0) for n, span in enumerate(some(200))]
    written = ExportTraceServiceRequest.FromString(otlp_encoding.request(RESOURCE, "tillgate", spans))
    assert written == ExportTraceServiceRequest.FromString(
        encode_spans([of_the_library(span) for span in spans]).SerializeToString()
    )


SENDER = f"00-{'a' * 32}-{'b' * 16}-"


@pytest.mark.parametrize(
    ("sampler", "sender", "taken"),
    [
        (ParentBased(ALWAYS_ON), SENDER + "01", 2),
        (ParentBased(ALWAYS_ON), SENDER + "00", 0),
        (ParentBased(ALWAYS_ON), "", 2),
        (ParentBased(ALWAYS_OFF), SENDER + "01", 2),
        (ParentBased(ALWAYS_OFF), "", 0),
        (ALWAYS_ON, SENDER + "00", 2),
        (ALWAYS_OFF, SENDER + "01", 0),
        (TraceIdRatioBased(0.0), SENDER + "01", 0),
        (TraceIdRatioBased(1.0), SENDER + "00", 2),
    ],
)
def test_the_sampler_decides_and_what_is_not_sampled_still_hands_its_trace_on(
    sampler: Any, sender: str, taken: int
) -> None:
    spans: list[FinishedSpan] = []
    tracer = OpenTelemetryTracer(sampler, spans.append)
    with tracer.span("above", kind="server", parent=sender, links=(), values={"a": "b"}) as above:
        assert tracer.current() == above.traceparent
        with tracer.span("below", kind="internal", parent="", links=(), values={}) as below:
            told = below.traceparent
    assert tracer.current() == ""
    assert len(spans) == taken
    assert told.endswith("-01" if taken else "-00")
    assert told[3:35] == (sender[3:35] or told[3:35]) == above.traceparent[3:35]
    assert [(span.name, span.remote) for span in spans] == [("below", False), ("above", bool(sender))][:taken]
    if taken:
        assert spans[0].parent == spans[1].span


def test_an_error_that_leaves_a_span_fails_it_and_is_not_told() -> None:
    spans: list[FinishedSpan] = []
    tracer = OpenTelemetryTracer(ALWAYS_ON, spans.append)
    with (
        pytest.raises(ValueError, match="secret"),
        tracer.span("one", kind="client", parent="", links=(SENDER + "01", "nonsense"), values={}),
    ):
        raise ValueError("secret")
    assert (spans[0].status, spans[0].links) == ("ValueError", [(int("a" * 32, 16), int("b" * 16, 16))])
    assert trace.get_current_span().get_span_context().is_valid is False
