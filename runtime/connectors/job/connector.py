"""Jobs over HTTP: a read or a write that is submitted, and done later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.job.settings import JobSettings
from runtime.connectors.job.sink import JobSink
from runtime.connectors.job.source import JobSource
from runtime.connectors.settings import read_settings


def source(settings: Mapping[str, Any]) -> JobSource:
    return JobSource(read_settings(JobSettings, settings))


def sink(settings: Mapping[str, Any]) -> JobSink:
    return JobSink(read_settings(JobSettings, settings))
