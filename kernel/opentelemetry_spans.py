"""Spans in OpenTelemetry's sense. Loaded only where an endpoint is set: nothing else imports it.

Which traces are recorded is decided by the library's sampler, what is over goes into the library's queue; the spans
themselves are our own, for each message's way has several, and one of the library costs as much as a database's
statement.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from random import getrandbits
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace import SpanKind as Kind

from kernel.otlp_encoding import FinishedSpan
from kernel.redaction import redact
from kernel.tracing import SpanKind, TraceSpan, Values

_KINDS = {"internal": Kind.INTERNAL, "server": Kind.SERVER, "client": Kind.CLIENT, "consumer": Kind.CONSUMER}
_ON_THE_WIRE = {"internal": 1, "server": 2, "client": 3, "consumer": 5}  # SpanKind of opentelemetry-proto
LONGEST = 300
_ID = re.compile(r"[0-9a-f]{32}")


class SpanPlace(NamedTuple):
    """Where a span stands: what others name as their parent."""

    trace: int
    span: int
    sampled: bool
    remote: bool = False


class RecordedSpan:
    """One span that is open. Of one that is not sampled only the place counts."""

    __slots__ = ("events", "kind", "links", "name", "parent", "place", "start", "status", "take", "values")

    def __init__(
        self,
        take: Callable[[FinishedSpan], None],
        place: SpanPlace,
        parent: SpanPlace | None,
        name: str,
        kind: SpanKind,
        start: int,
        values: dict[str, str | int | float | bool],
        links: Sequence[tuple[int, int]],
    ) -> None:
        self.take, self.place, self.parent = take, place, parent
        self.name, self.kind, self.start, self.values, self.links = name, kind, start, values, links
        self.events: list[tuple[str, int]] = []
        self.status: str | None = None

    @property
    def traceparent(self) -> str:
        return _written(self.place)

    def set(self, **values: str | int | float | bool) -> None:
        if self.place.sampled:
            self.values.update(_clean(values))

    def rename(self, name: str) -> None:
        self.name = name

    def fail(self, why: str) -> None:
        self.status = redact(why)[:LONGEST]

    def event(self, name: str, at: int) -> None:
        self.events.append((name, at))

    def end(self) -> None:
        self.finish(time.time_ns())

    def finish(self, end: int) -> None:
        if not self.place.sampled:
            return
        parent = self.parent
        self.take(
            FinishedSpan(
                self.place.trace,
                self.place.span,
                parent.span if parent else 0,
                parent.remote if parent else False,
                self.name,
                _ON_THE_WIRE[self.kind],
                self.start,
                end,
                self.values,
                self.events,
                self.links,
                self.status,
            )
        )


_current: ContextVar[SpanPlace | None] = ContextVar("tillgate_span", default=None)


class OpenTelemetryTracer:
    """`kernel.tracing.Tracer`; `take` gets each span that is over."""

    def __init__(self, sampler: Sampler, take: Callable[[FinishedSpan], None]) -> None:
        self.sampler, self.take = sampler, take
        self.by_parent = type(sampler) is ParentBased

    @contextmanager
    def span(
        self, name: str, *, kind: SpanKind, parent: str, links: Sequence[str], values: Values
    ) -> Iterator[TraceSpan]:
        opened = self._made(name, kind, parent, time.time_ns(), values, links)
        token = _current.set(opened.place)
        try:
            yield opened
        except BaseException as error:
            opened.fail(type(error).__name__)  # its text may hold what a vendor said
            raise
        finally:
            _current.reset(token)
            opened.end()

    def begin(self, name: str, *, kind: SpanKind, parent: str, start: int, values: Values) -> TraceSpan:
        return self._made(name, kind, parent, start, values)

    def finished(self, name: str, *, parent: str, start: int, end: int, values: Values) -> None:
        self._made(name, "internal", parent, start, values).finish(end)

    def current(self) -> str:
        found = _current.get()
        return "" if found is None else _written(found)

    def _made(
        self, name: str, kind: SpanKind, parent: str, start: int, values: Values, links: Sequence[str] = ()
    ) -> RecordedSpan:
        above = _read(parent) or _current.get()
        number = above.trace if above else getrandbits(128) or 1
        linked = [(found.trace, found.span) for one in links if (found := _read(one)) is not None]
        place = SpanPlace(number, getrandbits(64) or 1, self._sampled(above, number, name, kind, values))
        return RecordedSpan(self.take, place, above, name, kind, start, _clean(values) if place.sampled else {}, linked)

    def _sampled(self, above: SpanPlace | None, number: int, name: str, kind: SpanKind, values: Values) -> bool:
        """By the sampler. That of the environment goes by the parent, where there is one, and needs not be asked."""
        if above is None:
            return self._asked(None, number, name, kind, values)
        if self.by_parent:
            return above.sampled
        flags = TraceFlags(1 if above.sampled else 0)
        parent = NonRecordingSpan(SpanContext(above.trace, above.span, is_remote=above.remote, trace_flags=flags))
        context = trace.set_span_in_context(parent, Context())
        return self._asked(context, number, name, kind, values)

    def _asked(self, context: Context | None, number: int, name: str, kind: SpanKind, values: Values) -> bool:
        said = self.sampler.should_sample(context, number, name, _KINDS[kind], dict(values))
        return said.decision == Decision.RECORD_AND_SAMPLE


def _clean(values: Values) -> dict[str, str | int | float | bool]:
    return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def _text(value: str) -> str:
    """An id of 32 hexadecimal digits, as every message has one, is not looked at; names that come again are looked at
    once."""
    return value if len(value) == 32 and _ID.fullmatch(value) else _cleaned(value)


@lru_cache(maxsize=2_000)
def _cleaned(value: str) -> str:
    return redact(value)[:LONGEST]


@lru_cache(maxsize=1_000)
def _read(traceparent: str) -> SpanPlace | None:
    if len(traceparent) != 55:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    found = SpanPlace(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & 1), remote=True)
    return found if found.trace and found.span else None


def _written(place: SpanPlace) -> str:
    return f"00-{place.trace:032x}-{place.span:016x}-{'01' if place.sampled else '00'}"
