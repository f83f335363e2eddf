"""AMQP 0-9-1 as a source and as a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.amqp.settings import AmqpSettings
from runtime.connectors.amqp.sink import AmqpSink
from runtime.connectors.amqp.source import AmqpSource
from runtime.connectors.settings import read_settings


def source(settings: Mapping[str, Any]) -> AmqpSource:
    return AmqpSource(read_settings(AmqpSettings, settings))


def sink(settings: Mapping[str, Any]) -> AmqpSink:
    return AmqpSink(read_settings(AmqpSettings, settings))
