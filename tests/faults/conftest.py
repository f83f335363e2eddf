"""What tests of the fault tools share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.ledger.connections import Connection
from tests import kept_sessions
from tests.runtime.conftest import empty_runtime


@pytest.fixture
def ledger(db: None) -> Iterator[Connection]:
    with kept_sessions.of_the_ledger() as conn:
        yield conn
        empty_runtime(kept_sessions.beneath_triggers())
