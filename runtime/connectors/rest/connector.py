"""REST over JSON: any vendor whose paging, limits and errors can be said in settings (`settings.RestSettings`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.rest.sink import RestDecision, RestSink
from runtime.connectors.rest.source import RestSource
from runtime.connectors.settings import read_settings

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> RestSource:
    return RestSource(read_settings(RestSettings, settings))


def sink(settings: Mapping[str, Any]) -> RestSink:
    return RestSink(read_settings(RestSettings, settings))


def decision(settings: Mapping[str, Any]) -> RestDecision:
    return RestDecision(read_settings(RestSettings, settings))
