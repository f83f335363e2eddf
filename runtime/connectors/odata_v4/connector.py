"""OData V4, as SAP, Dynamics 365 and Business Central speak it. Reading and writing stand beside the folders
(`odata_source.py`, `odata_sink.py`), settings in `settings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.odata_sink import ODataSink
from runtime.connectors.odata_source import ODataSource
from runtime.connectors.odata_v4.delta import ODataDeltaSource
from runtime.connectors.odata_v4.dialect import V4Dialect
from runtime.connectors.odata_v4.settings import ODataV4Settings
from runtime.connectors.settings import read_settings

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> ODataSource:
    given = read_settings(ODataV4Settings, settings)
    return (ODataDeltaSource if given.track_changes else ODataSource)(given.checked(), V4Dialect())


def sink(settings: Mapping[str, Any]) -> ODataSink:
    return ODataSink(read_settings(ODataV4Settings, settings).checked(), V4Dialect())
