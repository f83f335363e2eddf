"""Ledger tests commit on connections of their own; afterwards only the runtime's tables are emptied, which is quicker
than a flush."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.ledger import connections
from tests import clean_slate, kept_sessions


def empty_runtime(conn: connections.Connection) -> None:
    with conn.transaction():
        sealed = (
            "governance_approval",
            "governance_decision",
            "governance_slot",
            "kernel_auditlink",
            "kernel_auditentry",
        )
        conn.execute(clean_slate.emptying((*clean_slate.tables_of("runtime"), *sealed, "kernel_processmetrics")))
        approver = "(select id from kernel_user where username = 'approver')"
        conn.execute(f"delete from kernel_user_groups where user_id = {approver}")
        conn.execute("delete from kernel_user where username = 'approver'")
        conn.execute("delete from kernel_outboxevent where topic like 'runtime.connection%'")
        conn.execute("delete from auth_group where name in ('flow-owners', 'approvers')")


@pytest.fixture
def ledger(db: None) -> Iterator[connections.Connection]:
    """A connection of the ledger; what it and others commit is removed afterwards."""
    with kept_sessions.of_the_ledger() as conn:
        yield conn
        empty_runtime(kept_sessions.beneath_triggers())
