"""OData V2 in the dialect of SAP Gateway. Reading and writing stand beside the folders
(`odata_source.py`, `odata_sink.py`), settings in `settings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.odata_sink import ODataSink
from runtime.connectors.odata_source import ODataSource
from runtime.connectors.odata_v2.dialect import V2Dialect
from runtime.connectors.odata_v2.settings import ODataV2Settings
from runtime.connectors.settings import read_settings

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> ODataSource:
    return ODataSource(read_settings(ODataV2Settings, settings).checked(), V2Dialect())


def sink(settings: Mapping[str, Any]) -> ODataSink:
    return ODataSink(read_settings(ODataV2Settings, settings).checked(), V2Dialect())
