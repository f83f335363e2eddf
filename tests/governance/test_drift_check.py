"""The check of observed traffic: a policy asks for it, and it never passes for want of evidence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.models import ApiVersion
from governance.domain import kinds
from governance.services import assessment, policy_names
from governance.services.catalog.drift_checks import DRIFT
from kernel import clock
from tests.catalog import make as catalog
from tests.catalog.test_drift import difference, hand_in, report
from tests.governance.raw_sql import beneath_guards
from tests.governance.test_catalog_checks import run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()


def test_without_a_report_it_has_not_run():
    outcome = run(DRIFT, "price-api@v2", kind="contract.change")
    assert outcome.status == "not_run"
    assert "tillgate contracts observe" in outcome.fix[0]


def test_a_report_without_difference_passes_also_for_the_version_that_follows():
    hand_in(report(difference("enum-value-unseen", "web")))
    assert run(DRIFT, "price-api@v2", kind="contract.change").status == "passed"
    assert run(DRIFT, "price-api@v3").status == "passed"


def test_a_difference_fails_with_its_sentence():
    hand_in(report(difference("undeclared-member", "loyalty")))
    outcome = run(DRIFT, "price-api@v3")
    assert outcome.status == "failed"
    assert "`loyalty`" in outcome.findings[0]["message"]


def test_an_old_report_is_no_evidence():
    old = clock.now() - timedelta(days=40)
    hand_in(report(observed_from=old.isoformat(), observed_until=(old + timedelta(days=1)).isoformat()))
    assert run(DRIFT, "price-api@v3").status == "not_run"


def test_a_report_about_an_earlier_contract_is_no_evidence():
    kept = hand_in(report()).report
    kept.pk, kept.report_id = None, "earlier"
    kept.contract_id = ApiVersion.objects.get(api__slug="price-api", label="v1").contract_id
    kept.observed_until = clock.now()
    with beneath_guards():  # as when the version took another contract after it
        kept.save(force_insert=True)
    assert run(DRIFT, "price-api@v3").status == "not_run"


def test_no_kind_has_it_by_itself_and_a_policy_may_ask_for_it():
    kind = kinds.kind("contract.change")
    assert "contract.drift" not in dict(assessment._checks(kind, ()))
    assert dict(assessment._checks(kind, ("contract.drift",)))["contract.drift"] == "Observed traffic"
    assert "contract.drift" in policy_names._known()["checks"]


@pytest.mark.parametrize(
    ("bodies", "unread"), [(None, None), (0, 4), (3, 3)], ids=["not counted", "none read", "half of them not read"]
)
def test_an_observation_that_compared_too_little_is_no_evidence(bodies: int | None, unread: int | None):
    hand_in(report(bodies=bodies, unread_bodies=unread))
    outcome = run(DRIFT, "price-api@v3")
    assert outcome.status == "not_run"
    assert "too little" in outcome.why


def test_a_few_bodies_that_are_not_readable_do_not_speak_against_the_others():
    hand_in(report(bodies=90, unread_bodies=10))
    assert run(DRIFT, "price-api@v3").status == "passed"


def test_an_observation_of_nothing_is_no_evidence():
    hand_in(report(exchanges=0, bodies=0))
    assert run(DRIFT, "price-api@v3").status == "not_run"


def test_a_contradiction_counts_however_little_was_compared():
    hand_in(report(difference("undeclared-member", "loyalty"), bodies=1, unread_bodies=9))
    assert run(DRIFT, "price-api@v3").status == "failed"
