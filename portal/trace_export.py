"""Traces, where `OTEL_EXPORTER_OTLP_ENDPOINT` is set: spans leave in batches, by a thread of their own.

The standard variables of OpenTelemetry apply: endpoint, headers, timeout, service name, sampler, limits of the queue.
Its default keeps 2,048 spans; while the collector is away, later ones are dropped, and nobody waits.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_exporting: Any = None


def wanted() -> bool:
    """Whether somebody has asked for traces, by the variables of the standard."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") not in ("otlp", ""):
        return False
    return any(os.environ.get(name) for name in ENDPOINTS)


def start(role: str) -> None:
    """Called once in each process, after its fork. Without an endpoint nothing is loaded."""
    global _exporting
    if wanted() and _exporting is None:
        _exporting = importlib.import_module("portal.trace_batches")
        _exporting.start(role)


def stop() -> None:
    """Send what is left, for two seconds at most."""
    if _exporting is not None:
        _exporting.stop()
