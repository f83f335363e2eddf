"""Rows of a database, read only: PostgreSQL, MariaDB and MySQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.settings import read_settings
from runtime.connectors.sql.opening import session_of
from runtime.connectors.sql.settings import SqlSettings
from runtime.connectors.sql.source import SqlSource

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> SqlSource:
    made: SqlSettings = read_settings(SqlSettings, settings)
    made.verify()
    return SqlSource(made, session_of(made), made.table or "the query")
