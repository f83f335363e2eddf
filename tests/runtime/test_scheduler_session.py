"""The scheduler's own session with the database."""

from __future__ import annotations

import pytest
from django.db import connection

from runtime.worker.scheduler import Scheduler


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_opened_read_only_is_left_before_the_next_turn() -> None:
    """As after a spell in which the database took no writes: the session stays so for as long as it lives."""
    with connection.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
    Scheduler().turn()
    with connection.cursor() as cursor:
        cursor.execute("show transaction_read_only")
        assert cursor.fetchone() == ("off",)
