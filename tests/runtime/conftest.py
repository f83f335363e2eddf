"""Ledger tests commit on connections of their own; afterwards only the runtime's tables are emptied, which is quicker
than a flush."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.ledger import connections
from tests import clean_slate


def empty_runtime(conn: connections.Connection) -> None:
    with conn.transaction():
        filled = (*clean_slate.tables_of("runtime"), "governance_approval", "kernel_processmetrics")
        conn.execute(clean_slate.emptying(filled))
        conn.execute("delete from kernel_outboxevent where topic like 'runtime.connection%'")
        conn.execute("delete from auth_group where name = 'flow-owners'")


@pytest.fixture
def ledger(db: None) -> Iterator[connections.Connection]:
    """A connection of the ledger; what it and others commit is removed afterwards."""
    with connections.connected(name="tillgate-test") as conn:
        yield conn
        empty_runtime(conn)
