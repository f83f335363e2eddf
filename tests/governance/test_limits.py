"""The limits of time in the database are those of `governance.domain.limits`."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection

from governance.domain import limits

pytestmark = pytest.mark.django_db

WAIVER = "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'governance_waiver'::regclass"
WINDOW = "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'governance_breakglass'::regclass"
GUARD = "select pg_get_functiondef('governance_approval_guard'::regproc)"


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (WAIVER, timedelta(days=limits.WAIVER_DAYS)),
        (WINDOW, timedelta(hours=limits.BREAK_GLASS_HOURS)),
        (GUARD, timedelta(hours=limits.BREAK_GLASS_HOURS)),
    ],
)
def test_the_database_holds_the_limit_of_the_code(query: str, limit: timedelta):
    """Otherwise: docs/how-to/change-a-limit-of-time.md."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        definitions = "\n".join(row[0] for row in cursor.fetchall())
        found = re.findall(r"'([^']+)'::interval|interval '([^']+)'", definitions)
        cursor.execute("select array_agg(t::interval) from unnest(%s::text[]) t", [[a or b for a, b in found]])
        assert cursor.fetchone() == ([limit],)
