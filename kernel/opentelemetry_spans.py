"""Spans by OpenTelemetry. Loaded only where an endpoint is set: nothing else imports it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanKind as Kind

from kernel.redaction import redact
from kernel.tracing import SpanKind, TraceSpan, Values

_KINDS = {"internal": Kind.INTERNAL, "server": Kind.SERVER, "client": Kind.CLIENT, "consumer": Kind.CONSUMER}
LONGEST = 300
_ID = re.compile(r"[0-9a-f]{32}")


class OpenTelemetrySpan:
    """One span of the library."""

    def __init__(self, span: Span) -> None:
        self.span = span

    @property
    def traceparent(self) -> str:
        return _written(self.span.get_span_context())

    def set(self, **values: str | int | float | bool) -> None:
        if self.span.is_recording():
            self.span.set_attributes(_clean(values))

    def rename(self, name: str) -> None:
        self.span.update_name(name)

    def fail(self, why: str) -> None:
        self.span.set_status(Status(StatusCode.ERROR, redact(why)[:LONGEST]))

    def event(self, name: str, at: int) -> None:
        self.span.add_event(name, timestamp=at)

    def end(self) -> None:
        self.span.end()


class OpenTelemetryTracer:
    """`kernel.tracing.Tracer` over a tracer of the library."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self.tracer = tracer

    @contextmanager
    def span(
        self, name: str, *, kind: SpanKind, parent: str, links: Sequence[str], values: Values
    ) -> Iterator[TraceSpan]:
        with self.tracer.start_as_current_span(
            name,
            context=_context(parent),
            kind=_KINDS[kind],
            attributes=_clean(values),
            links=[Link(found) for one in links if (found := _read(one)) is not None],
            record_exception=False,
            set_status_on_exception=False,
        ) as made:
            opened = OpenTelemetrySpan(made)
            try:
                yield opened
            except BaseException as error:
                opened.fail(type(error).__name__)  # its text may hold what a vendor said
                raise

    def begin(self, name: str, *, kind: SpanKind, parent: str, start: int, values: Values) -> TraceSpan:
        made = self.tracer.start_span(
            name, context=_context(parent), kind=_KINDS[kind], attributes=_clean(values), start_time=start
        )
        return OpenTelemetrySpan(made)

    def finished(self, name: str, *, parent: str, start: int, end: int, values: Values) -> None:
        made = self.tracer.start_span(name, context=_context(parent), attributes=_clean(values), start_time=start)
        made.end(end)

    def current(self) -> str:
        return _written(trace.get_current_span().get_span_context())


def _clean(values: Values) -> dict[str, str | int | float | bool]:
    return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def _text(value: str) -> str:
    """An id of 32 hexadecimal digits, as every message has one, is not looked at; names that come again are looked at
    once."""
    return value if _ID.fullmatch(value) else _cleaned(value)


@lru_cache(maxsize=2_000)
def _cleaned(value: str) -> str:
    return redact(value)[:LONGEST]


def _context(parent: str) -> Context | None:
    """None: what runs in this thread is the parent."""
    found = _read(parent)
    return None if found is None else trace.set_span_in_context(NonRecordingSpan(found), Context())


def _read(traceparent: str) -> SpanContext | None:
    if len(traceparent) != 55:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _written(context: SpanContext) -> str:
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
