"""What was observed of traffic and who used what decides whether a change may go: by plain SQL of the serving role
nobody hands in a report in silence, takes one away, or makes a consumer vanish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from catalog.models import DriftReport, Subscription, UsageBatch, UsageDay
from catalog.selectors import consumers
from catalog.services import usage
from kernel import clock
from kernel.models import AuditEntry
from tests.catalog import make
from tests.catalog.test_drift import difference, hand_in, report, version
from tests.governance.forging import as_serving
from tests.governance.raw_sql import run

pytestmark = pytest.mark.django_db
FORGED = """
insert into catalog_driftreport (version_id, environment_id, contract_id, report_id, body_digest, source, observed_from,
  observed_until, exchanges, skipped, bodies, unread_bodies, operations_known, operations_seen, differences, left_out,
  recorded_by_id, recorded_at)
select v.id, n.id, coalesce(%(contract)s, v.contract_id), 'r9', 'sha256:0', 'har', now() - interval '1 day',
       now() + %(until)s::interval, 900, 0, 900, 0, 1, 1, '[]', 0, u.id, now() - interval '9 days'
  from catalog_apiversion v
  join catalog_api a on a.id = v.api_id and a.slug = 'price-api'
  join catalog_environment n on n.key = 'production'
  join kernel_user u on u.username = %(who)s
 where v.label = 'v2'"""
ENTRY = """
select kernel_record(u.id, 'x', 'catalog.drift_observed', 'version', 'price-api@v2', null,
                     '{"report": "r9", "environment": "production", "digest": "sha256:0"}', '', '')
  from kernel_user u where u.username = %s"""


@pytest.fixture(autouse=True)
def estate() -> None:
    make.estate()


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        yield
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)


def forge(*, who: str = "paula", until: str = "-1 hour", contract: str | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FORGED, {"who": who, "until": until, "contract": contract})


def test_a_report_by_hand_without_a_word_in_the_ledger_is_none():
    with refused("drift_is_on_record"):
        forge()
    assert not DriftReport.objects.exists()


def test_a_report_in_the_name_of_somebody_who_may_not_is_none():
    with refused("drift_by_who_may"):
        forge(who="stan")
        run(ENTRY, "stan")


def test_a_report_with_the_entry_of_somebody_else_is_none():
    with refused("drift_is_on_record"):
        forge()
        run(ENTRY, "stan")


def test_a_report_of_the_time_to_come_would_never_grow_old_and_is_none():
    with refused("drift_is_of_the_past"):
        forge(until="40 days")


def test_a_report_about_another_contract_is_none():
    with refused("drift_of_the_present_contract"):
        forge(contract=make_other_contract())


def make_other_contract() -> str:
    return str(run("select contract_id from catalog_apiversion where label = 'v3'")[0][0])


def test_who_writes_one_with_its_entry_has_said_so_and_when_is_the_database_s_word():
    with as_serving():
        forge()
        run(ENTRY, "paula")
    kept = DriftReport.objects.get()
    assert clock.now() - kept.recorded_at < timedelta(minutes=5), "nine days ago was written"
    assert AuditEntry.objects.get(verb="catalog.drift_observed").actor == make.person("paula")


def test_a_report_that_contradicts_is_not_taken_away_so_that_an_older_one_speaks():
    earlier = clock.now() - timedelta(days=5)
    hand_in(report(observed_from=earlier.isoformat(), observed_until=earlier.isoformat()), report_id="clean")
    hand_in(report(difference("undeclared-member", "loyalty")), report_id="contradicts")
    with refused("drift_report_is_kept"):
        run("delete from catalog_driftreport where report_id = 'contradicts'")


# -- usage -------------------------------------------------------------------------------------------------------------
def seen() -> None:
    row = {"application": "web-shop", "version": "price-api@v2", "environment": "production", "calls": 9}
    usage.report(actor=None, batch_id="b1", rows=[row])
    assert "web-shop" in live()


def live() -> list[str]:
    return [one.application_key for one in consumers.live_of_version(version().pk)]


@pytest.mark.parametrize(
    "statement",
    [
        "update catalog_usageday set calls = 0, errors = 0",
        "update catalog_usageday set day = day - 40",
        "update catalog_usageday set version_id = (select id from catalog_apiversion where label = 'v1' limit 1)",
        "update catalog_usageday set application_id = (select id from catalog_application where key = 'till')",
        "update catalog_usageday set last_seen_at = last_seen_at - interval '40 days'",
    ],
)
def test_calls_that_were_seen_do_not_become_fewer_older_or_somebody_else_s(statement: str):
    seen()
    with refused("usage_only_grows"):
        run(statement)
    assert "web-shop" in live()


def test_more_calls_are_added_as_before():
    seen()
    row = {"application": "web-shop", "version": "price-api@v2", "environment": "production", "calls": 3}
    usage.report(actor=None, batch_id="b2", rows=[row])
    assert UsageDay.objects.get().calls == 12


def test_a_batch_is_taken_in_with_its_entry_and_stays():
    with refused("usage_is_on_record"):
        run("insert into catalog_usagebatch (batch_id, body_digest, rows) values ('b7', 'sha256:0', 1)")
    seen()
    for statement in ("delete from catalog_usagebatch", "update catalog_usagebatch set batch_id = 'b8'"):
        with refused("usage_batch_is_kept"):
            run(statement)
    assert UsageBatch.objects.count() == 1


def test_what_was_seen_of_a_subscription_stays_seen():
    Subscription.objects.update(last_seen_at=clock.now())
    with refused("subscription_stays_seen"):
        run("update catalog_subscription set last_seen_at = null")


def test_nobody_says_afterwards_that_a_consumer_had_moved():
    with refused("move_lies_ahead"):
        run("update catalog_subscription set moves_on = current_date - 30")
    with as_serving():
        run("update catalog_subscription set moves_on = current_date + 30")
    told = AuditEntry.objects.filter(verb="catalog.subscription_changed").latest("pk")
    assert told.after["moves_on"], "a day to come that is written by hand is told"
