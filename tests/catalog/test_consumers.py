"""Subscriptions and usage reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from catalog.models import Subscription, UsageDay
from catalog.selectors import consumers, search, subscriptions, versions
from catalog.services import subscriptions as changes
from catalog.services import usage
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid
from kernel.models import User
from kernel.viewer import SYSTEM
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def ask(**more):
    values = {"application": "till", "version": "price-api@v2", "environment": "test"} | more
    return changes.apply(actor=make.person(values.pop("by", "stan")), **values)


def test_a_subscription_is_asked_for_by_the_consumer_and_decided_by_the_owner():
    facts = versions.by_reference("price-api@v2")
    row = ask(justification="Prices on the till")
    assert subscriptions.state("till", facts.id, "test", clock.now()) == "pending"
    with pytest.raises(Forbidden):
        changes.approve(row.pk, actor=make.person("lea"))
    changes.approve(row.pk, actor=make.person("piet"), valid_until=clock.now() + timedelta(days=10))
    assert subscriptions.state("till", facts.id, "test", clock.now()) == "active"
    assert subscriptions.state("till", facts.id, "test", clock.now() + timedelta(days=11)) == "expired"
    assert subscriptions.state("till", facts.id, "production", clock.now()) == "active"
    assert subscriptions.state("web-shop", facts.id, "test", clock.now()) == "none"
    with pytest.raises(Conflict):
        changes.approve(row.pk, actor=make.person("paula"))


def test_nobody_decides_about_what_they_asked_for_themselves():
    piet = make.person("piet")
    piet.groups.add(make.person("stan").groups.get())
    row = ask(by="piet")
    with pytest.raises(Forbidden):
        changes.approve(row.pk, actor=piet)
    changes.approve(row.pk, actor=make.person("paula"))


def test_nobody_decides_about_it_by_another_account_either():
    stan, piet = make.person("stan"), make.person("piet")
    row = ask()
    User.objects.filter(pk=piet.pk).update(same_person_as=stan)
    with pytest.raises(Forbidden):
        changes.approve(row.pk, actor=piet)
    with pytest.raises(IntegrityError, match="does not decide about it"):
        Subscription.objects.filter(pk=row.pk).update(decided_by=piet)


def test_a_refusal_needs_a_reason_and_ends_in_none():
    row = ask()
    with pytest.raises(Invalid):
        changes.refuse(row.pk, actor=make.person("piet"), note="  ")
    changes.refuse(row.pk, actor=make.person("piet"), note="Use the loyalty API.")
    assert subscriptions.state("till", row.version_id, "test", clock.now()) == "none"
    assert ask().state == "requested"


@pytest.mark.parametrize(
    ("more", "error", "code"),
    [
        ({"version": "price-api@v1"}, Conflict, "subscription.version_takes_none"),
        ({"version": "price-api@v3"}, Conflict, "subscription.version_takes_none"),
        ({"version": "price-api@v9"}, Invalid, "subscription.invalid"),
        ({"version": "loyalty-api@v1"}, Invalid, "subscription.invalid"),
        ({"environment": "production"}, Conflict, "subscription.open_already"),
        ({"environment": "moon"}, Invalid, "subscription.invalid"),
        ({"application": "web-shop"}, Forbidden, "subscription.not_your_application"),
        ({"version": "a\x00b@c"}, Invalid, "subscription.invalid"),
    ],
)
def test_an_application_that_cannot_be_is_refused(more, error, code):
    with pytest.raises(error) as caught:
        ask(**more)
    assert caught.value.code == code


def test_an_ended_subscription_is_expired_from_that_moment_on():
    row = Subscription.objects.get()
    changes.end(row.pk, actor=make.person("stan"))
    assert subscriptions.state("till", row.version_id, "production", clock.now() + timedelta(seconds=1)) == "expired"
    assert subscriptions.state("till", row.version_id, "production", datetime(2026, 1, 1, tzinfo=UTC)) == "active"


def rows(**more):
    return [
        {
            "application": "till",
            "version": "price-api@v2",
            "environment": "production",
            "calls": 100,
            "errors": 1,
            "p95_ms": 80,
        }
        | more
    ]


def test_a_batch_is_added_up_and_counts_once_however_often_it_is_sent():
    robot = make.person("robot")
    receipt = usage.report(actor=robot, batch_id="b1", rows=rows() + rows(calls=50, errors=0, p95_ms=90))
    assert (receipt.accepted, receipt.repeated) == (2, False)
    assert usage.report(actor=robot, batch_id="b1", rows=rows() + rows(calls=50, errors=0, p95_ms=90)).repeated
    day = UsageDay.objects.get()
    assert (day.calls, day.errors, day.p95_ms) == (150, 1, 90)
    usage.report(actor=robot, batch_id="b2", rows=rows())
    day.refresh_from_db()
    assert day.calls == 250
    with pytest.raises(Conflict):
        usage.report(actor=robot, batch_id="b2", rows=rows(calls=7))
    assert Subscription.objects.get().last_seen_at is not None
    assert (
        next(r for r in search.browse(search.Criteria(), viewer=SYSTEM).rows if r["slug"] == "price-api")["calls"]
        == 250
    )


def test_who_still_uses_a_version_answers_with_and_without_a_subscription():
    facts = versions.by_reference("price-api@v1")
    usage.report(
        actor=None, batch_id="b", rows=rows(application="web-shop", version="price-api@v1", environment="test")
    )
    found = consumers.of_version(facts.id)
    assert [(c.application_key, c.environment, c.state, c.calls) for c in found] == [
        ("web-shop", "test", "unsubscribed", 100)
    ]
    assert consumers.of_version(facts.id, environment="production") == []


def test_unknown_names_are_reported_back_and_the_rest_is_counted():
    receipt = usage.report(
        actor=None,
        batch_id="b",
        rows=rows() + rows(application="ghost") + rows(version="price-api@v77") + rows(environment="moon"),
    )
    assert receipt.accepted == 1
    assert [f["pointer"] for f in receipt.unknown] == ["/rows/1", "/rows/2", "/rows/3"]


@pytest.mark.parametrize(
    "row",
    [
        {"calls": -1},
        {"calls": True},
        {"calls": "5"},
        {"calls": 10**18},
        {"errors": 101},
        {"application": ""},
        {"application": None},
        {"version": "x\x00"},
        {"day": "tomorrow"},
        {"day": "2999-01-01"},
        {"seen_at": "2999-01-01T00:00:00Z"},
        {"seen_at": "2026-01-01T00:00:00"},
        {"p95_ms": 2**31},
    ],
)
def test_one_unreadable_row_refuses_the_batch_and_nothing_is_counted(row):
    with pytest.raises(Invalid) as caught:
        usage.report(actor=None, batch_id="b", rows=rows() + rows(**row))
    assert caught.value.findings[0]["pointer"].startswith("/rows/1")
    assert not UsageDay.objects.exists()
