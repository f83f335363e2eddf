"""Which checks block a change, as the database sees it, and who may decide on it."""

from __future__ import annotations

from django.db import connection

from governance.permissions import Person, eligible, is_party, may_fill

__all__ = ["Person", "blocking_checks", "eligible", "is_party", "may_fill"]


def blocking_checks(change_id: int) -> list[tuple[str, str]]:
    """`(check id, reason)` of each check that blocks the present revision."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select check_id, reason from governance_blocking_check where change_id = %s order by check_id", [change_id]
        )
        return [(check, reason) for check, reason in cursor.fetchall()]
