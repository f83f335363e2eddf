"""The library's side of `portal.trace_export`: provider, batches and exporter. Loaded only where traces are wanted."""

from __future__ import annotations

import logging
import os
import threading

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from kernel import tracing
from kernel.opentelemetry_spans import OpenTelemetryTracer

LAST_SECONDS = 2.0
_provider: TracerProvider | None = None


def start(role: str, exporter: SpanExporter | None = None) -> None:
    """From now on spans are made and exported; over HTTP to the endpoint of the environment where none is given."""
    global _provider
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "tillgate"), "tillgate.role": role})
    _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    _provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    # An unreachable collector is one line a minute, not one for each batch.
    logging.getLogger("opentelemetry").addFilter(_Seldom())
    for name in ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(name).addFilter(_Seldom())
    tracing.use(OpenTelemetryTracer(_provider.get_tracer("tillgate")))


def stop() -> None:
    """Send what is left; a collector that is away holds nobody up."""
    global _provider
    if _provider is None:
        return
    tracing.use(None)
    ending = threading.Thread(target=_provider.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(LAST_SECONDS)
    _provider = None


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
