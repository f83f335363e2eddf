"""Kafka as a source and as a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.kafka.settings import KafkaSettings
from runtime.connectors.kafka.sink import KafkaSink
from runtime.connectors.kafka.source import KafkaSource
from runtime.connectors.settings import read_settings

READ_ONLY = True  # the brokers keep no place for us


def source(settings: Mapping[str, Any]) -> KafkaSource:
    return KafkaSource(read_settings(KafkaSettings, settings))


def sink(settings: Mapping[str, Any]) -> KafkaSink:
    return KafkaSink(read_settings(KafkaSettings, settings))
