"""What tests of the fault tools share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.ledger import connections
from runtime.ledger.connections import Connection
from tests.runtime.conftest import empty_runtime


@pytest.fixture
def ledger(db: None) -> Iterator[Connection]:
    with connections.connected(name="tillgate-test") as conn:
        yield conn
        empty_runtime(conn)
