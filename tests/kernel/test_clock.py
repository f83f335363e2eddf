"""One clock tells ages: the database's, whose stamps are stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from kernel import clock
from portal.metric_groups import MetricGroup
from runtime.ledger import connections

pytestmark = pytest.mark.django_db
HOURS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=64)]


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    yield
    clock.follow(datetime.now(UTC))


@pytest.mark.parametrize("ahead", HOURS)
def test_now_is_what_the_clock_of_the_database_says(ahead: timedelta) -> None:
    clock.follow(datetime.now(UTC) + ahead)
    stored = datetime.now(UTC) + ahead - timedelta(minutes=2)
    assert timedelta(seconds=119) < clock.now() - stored < timedelta(seconds=130)


def test_what_two_clocks_of_one_machine_differ_by_is_no_difference() -> None:
    clock.follow(datetime.now(UTC) + timedelta(milliseconds=300))
    assert clock.now() - datetime.now(UTC) < timedelta(milliseconds=100)


def test_a_request_a_scrape_and_a_new_session_ask_the_database() -> None:
    def asks(what: object) -> bool:
        clock.follow(datetime.now(UTC) + timedelta(hours=5))
        what()  # type: ignore[operator]
        return clock.now() - datetime.now(UTC) < timedelta(minutes=1)

    connection.ensure_connection()
    assert asks(connection.is_usable)
    assert asks(lambda: list(MetricGroup("x", list).values()))
    assert asks(lambda: connections.connect().close())
