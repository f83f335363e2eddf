"""Ledger tests commit on connections of their own; afterwards only the runtime's tables are emptied, which is quicker
than a flush."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps

from runtime.ledger import connections


def empty_runtime(conn: connections.Connection) -> None:
    tables = [model._meta.db_table for model in apps.get_app_config("runtime").get_models()]
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        for table in tables:
            conn.execute(f"delete from {table}")
        conn.execute("delete from governance_approval")
        conn.execute("delete from kernel_processmetrics")
        conn.execute("delete from kernel_outboxevent where topic like 'runtime.connection%'")
        conn.execute("delete from auth_group where name = 'flow-owners'")


@pytest.fixture
def ledger(db: None) -> Iterator[connections.Connection]:
    """A connection of the ledger; what it and others commit is removed afterwards."""
    with connections.connected(name="tillgate-test") as conn:
        yield conn
        empty_runtime(conn)
