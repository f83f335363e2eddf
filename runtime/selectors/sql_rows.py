"""Rows of a statement as dictionaries: the pages read hot tables in SQL, without building model instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection


def rows(statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """All rows, one dictionary each. `jsonb` comes as text, `json` as parsed: select `::text` where decimals matter."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def row(statement: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    found = rows(statement, parameters)
    return found[0] if found else None
