"""OData V2 in the dialect of SAP Gateway. `source` reads, `sink` writes; settings in `settings.ODataSettings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.odata_v2.settings import ODataSettings
from runtime.connectors.odata_v2.sink import ODataSink
from runtime.connectors.odata_v2.source import ODataSource
from runtime.connectors.settings import read_settings


def source(settings: Mapping[str, Any]) -> ODataSource:
    return ODataSource(read_settings(ODataSettings, settings))


def sink(settings: Mapping[str, Any]) -> ODataSink:
    return ODataSink(read_settings(ODataSettings, settings))
