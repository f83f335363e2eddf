"""The library's side of `portal.trace_export`: sampler, queue, batches and the way to the collector. Loaded only where
traces are wanted."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from kernel import otlp_encoding, tracing
from kernel.opentelemetry_spans import OpenTelemetryTracer
from kernel.otlp_encoding import FinishedSpan

LAST_SECONDS = 2.0
_SAMPLED = SimpleNamespace(trace_flags=SimpleNamespace(sampled=True))
_processor: BatchSpanProcessor | None = None


class QueuedSpan:
    """What the library's queue wants to know of a span: that it was sampled."""

    __slots__ = ("span",)
    context = _SAMPLED

    def __init__(self, span: FinishedSpan) -> None:
        self.span = span


class SpansOnTheWire(OTLPSpanExporter):
    """The library's way to a collector, with its retries, headers and certificates, for spans that are written here."""

    resource: dict[str, Any]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        queued = cast("Sequence[QueuedSpan]", spans)
        written = otlp_encoding.request(self.resource, "tillgate", [one.span for one in queued])
        return SpanExportResult.SUCCESS if self._client.export(written).success else SpanExportResult.FAILURE


def start(role: str, exporter: SpanExporter | None = None) -> None:
    """From now on spans are made and exported; over HTTP to the endpoint of the environment where none is given."""
    global _processor
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "tillgate"), "tillgate.role": role})
    exporter = exporter or SpansOnTheWire()
    if isinstance(exporter, SpansOnTheWire):
        exporter.resource = dict(resource.attributes)
    _processor = processor = BatchSpanProcessor(exporter)
    # An unreachable collector is one line a minute, not one for each batch.
    logging.getLogger("opentelemetry").addFilter(_Seldom())
    for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(name).addFilter(_Seldom())

    def take(span: FinishedSpan) -> None:
        processor.on_end(cast("ReadableSpan", QueuedSpan(span)))

    tracing.use(OpenTelemetryTracer(TracerProvider(resource=resource, shutdown_on_exit=False).sampler, take))


def stop() -> None:
    """Send what is left; a collector that is away holds nobody up."""
    global _processor
    if _processor is None:
        return
    tracing.use(None)
    ending = threading.Thread(target=_processor.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(LAST_SECONDS)
    _processor = None


class _Seldom(logging.Filter):
    """One record a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._after = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.created < self._after:
            return False
        self._after = record.created + 60.0
        return True
