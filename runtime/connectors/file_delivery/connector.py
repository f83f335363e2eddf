"""Files that are put into a folder of an SFTP server, one for each message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.file_delivery.settings import FileDeliverySettings
from runtime.connectors.file_delivery.sink import FileDeliverySink
from runtime.connectors.settings import read_settings


def sink(settings: Mapping[str, Any]) -> FileDeliverySink:
    return FileDeliverySink(read_settings(FileDeliverySettings, settings))
