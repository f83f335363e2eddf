"""Statements that are asked so often that their plan is kept by the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from weakref import WeakSet

import psycopg
from django.db import connection

_keeping_plans: WeakSet[psycopg.Connection[Any]] = WeakSet()


def rows(statement: LiteralString, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a reading statement, prepared, on Django's own connection and inside its transaction.

    Django binds parameters into the text, so the server plans anew each time; for a join of nine tables that costs more than the answer.
    For statements of fixed text only: each different text stays with the session.
    """
    connection.ensure_connection()
    raw = connection.connection
    with psycopg.Cursor(raw) as cursor:
        if raw not in _keeping_plans:
            raw.prepare_threshold = (
                5  # Django turns preparing off for its connections; its own cursors never prepare all the same
            )
            # Left to itself the server goes on planning, because it takes a few given values for a better case than the rule.
            cursor.execute("select set_config('plan_cache_mode', 'force_generic_plan', false)")
            _keeping_plans.add(raw)
        return cursor.execute(statement, parameters, prepare=True).fetchall()
