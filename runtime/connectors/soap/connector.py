"""SOAP over HTTP: writes by an operation of a pinned WSDL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.settings import read_settings
from runtime.connectors.soap.settings import SoapSettings
from runtime.connectors.soap.sink import SoapSink


def sink(settings: Mapping[str, Any]) -> SoapSink:
    return SoapSink(read_settings(SoapSettings, settings))
