"""Query languages over HTTP: read only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.query.settings import QuerySettings
from runtime.connectors.query.source import QuerySource
from runtime.connectors.settings import read_settings

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> QuerySource:
    return QuerySource(read_settings(QuerySettings, settings))
