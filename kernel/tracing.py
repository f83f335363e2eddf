"""Spans of a trace. Nothing happens, and nothing is loaded, until `use` is given a tracer (`portal.trace_export`).

A span belongs to the trace of its `parent`, a W3C `traceparent`; without one, to what runs in this thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

SpanKind = Literal["internal", "server", "client", "consumer"]
Values = Mapping[str, str | int | float | bool]
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


class TraceSpan(Protocol):
    """One span that is open. `traceparent` names it for what it causes; empty where nothing is traced."""

    @property
    def traceparent(self) -> str: ...

    def set(self, **values: str | int | float | bool) -> None: ...

    def rename(self, name: str) -> None: ...

    def fail(self, why: str) -> None: ...

    def event(self, name: str, at: int) -> None: ...

    def end(self) -> None: ...


class Tracer(Protocol):
    """Makes spans. Values are cleaned of what must not leave; times are nanoseconds since 1970."""

    def span(
        self, name: str, *, kind: SpanKind, parent: str, links: Sequence[str], values: Values
    ) -> AbstractContextManager[TraceSpan]: ...

    def begin(self, name: str, *, kind: SpanKind, parent: str, start: int, values: Values) -> TraceSpan: ...

    def finished(self, name: str, *, parent: str, start: int, end: int, values: Values) -> None: ...

    def current(self) -> str: ...


class _Nothing:
    """A span while nothing is traced."""

    traceparent = ""

    def set(self, **values: str | int | float | bool) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def fail(self, why: str) -> None:
        pass

    def event(self, name: str, at: int) -> None:
        pass

    def end(self) -> None:
        pass

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *error: object) -> None:
        pass


NOTHING = _Nothing()
_tracer: Tracer | None = None


def use(tracer: Tracer | None) -> None:
    """From now on spans are made by this one; None: none are made."""
    global _tracer
    _tracer = tracer


@contextmanager
def used(tracer: Tracer | None) -> Iterator[None]:
    """Within the block."""
    before = _tracer
    use(tracer)
    try:
        yield
    finally:
        use(before)


def on() -> bool:
    return _tracer is not None


def tracer() -> Tracer | None:
    return _tracer


def valid(traceparent: str | None) -> str:
    """The W3C trace context if it is one of the version that is known (Trace Context §3.2.2), else an empty text."""
    return traceparent if traceparent and _TRACEPARENT.match(traceparent) else ""


def span(
    name: str, values: Values | None = None, *, kind: SpanKind = "internal", parent: str = "", links: Sequence[str] = ()
) -> AbstractContextManager[TraceSpan]:
    """A span for the length of the block; an exception that leaves it makes it a failed one."""
    if _tracer is None:
        return NOTHING
    return _tracer.span(name, kind=kind, parent=parent, links=links, values=values or {})


def current() -> str:
    """The `traceparent` of the span that is open in this thread; empty where nothing is traced."""
    return _tracer.current() if _tracer is not None else ""
