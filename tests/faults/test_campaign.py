"""A short campaign on the suite's own servers: kills, pauses, cut answers, terminated backends, a deploy and a
revocation in flight."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection

from tests.faults.campaign import Campaign
from tests.faults.injections import Options
from tests.faults.load import TABLE
from tests.faults.product import People

pytestmark = [pytest.mark.faults, pytest.mark.thorough, pytest.mark.django_db(transaction=True)]
SHORT = Options(
    batches=10,
    tills=2,
    workers=2,
    lease=1.5,
    deadline=0.5,
    till_pause=0.05,
    kill_every=0.7,
    stop_every=0.0,
    vendor_every=0.8,
    postgres_every=1.5,
    restart_every=0.0,
    redis_every=1.5,
    decide_every=1.2,
    closed_for=0.8,
    web_every=2.0,
    rest_within=60.0,
    vendors=frozenset({"cuts", "behind", "lies"}),
    offers=20,
    dates_within=2,
    armed=0.8,
    databases=frozenset(),  # tried at length by the campaign itself
)


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Campaign]:
    url = urlsplit(os.environ["DATABASE_URL"])
    made = Campaign(tmp_path, SHORT, seed=5, own=False)
    try:
        yield made.start(urlunsplit(url._replace(path="/" + connection.settings_dict["NAME"])))
    finally:
        made.stop()
        with connection.cursor() as cursor:
            cursor.execute(
                f"drop function if exists campaign_grant() cascade; drop table if exists campaign_grant, {TABLE}"
            )


def test_a_short_campaign_loses_doubles_and_permits_nothing(short: Campaign) -> None:
    verdict = short.round(5, blind=True)
    assert verdict.clean, (verdict.counts(), dict(verdict.examples))
    assert verdict.facts["effects"] >= 2 * SHORT.batches * 10
    assert short.installation.history.counts["ended"] > SHORT.tills, "somebody was killed"


def test_who_waits_for_the_database_meanwhile_does_what_brings_it_back() -> None:
    people, away = People(cast("Any", None), deadline=1.0), [True, True]
    people.meanwhile = away.pop

    def run() -> str:
        if away:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return "done"

    assert people._persistently(run) == "done"
