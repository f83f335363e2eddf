"""Queries that run so often that the server keeps their plan (prepared statements)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from weakref import WeakSet

import psycopg
from django.conf import settings
from django.db import Error, connection

from kernel.postgresql import errors

_keeping_plans: WeakSet[psycopg.Connection[Any]] = WeakSet()


def rows(statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a select as a prepared statement, on Django's connection and inside its transaction.

    Django puts parameters into the text, so the server plans each query anew; for a join of nine tables planning takes
    longer than the query itself. Only for queries of fixed text: the session keeps each different text.

    Outside a transaction a session that the server has ended is replaced once. Raises Django's errors, so that the
    front door knows them and the connection is not used again. Behind a pooler in transaction mode nothing is kept.
    """
    return _again_where_lost(statement, parameters)[0]


def written(statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The same for a statement that writes and returns rows: it is never run twice, whatever became of the session."""
    return _run(statement, parameters, False)[0]


def named_rows(statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same, each row as a dictionary."""
    found, names = _again_where_lost(statement, parameters, named=True)
    return [dict(zip(names, row, strict=True)) for row in found]


_Found = tuple[list[tuple[Any, ...]], list[str]]


def _again_where_lost(
    statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any], *, named: bool = False
) -> _Found:
    try:
        return _run(statement, parameters, named)
    except Error as error:
        if connection.in_atomic_block or not errors.lost(error):
            raise
        connection.close()
        return _run(statement, parameters, named)


def _run(statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any], named: bool) -> _Found:
    connection.ensure_connection()
    raw = connection.connection
    keeping = settings.DATABASE_POOLER != "transaction"
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        if keeping and raw not in _keeping_plans:
            raw.prepare_threshold = 5  # Django turns preparing off; its own cursors still never prepare
            # By default the server plans anew when the given values look cheaper than the average case.
            cursor.execute("select set_config('plan_cache_mode', 'force_generic_plan', false)")
            _keeping_plans.add(raw)
        found = cursor.execute(statement, parameters, prepare=keeping).fetchall()
        return found, [column.name for column in cursor.description or ()] if named else []
