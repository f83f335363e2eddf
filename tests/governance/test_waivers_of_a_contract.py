"""A waiver opens what its approvers saw: the contract that the version had then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.models import ApiVersion, ContractRevision
from governance.models import Waiver
from governance.services import applying, changes, checks, reviews, waivers
from kernel import clock
from kernel.digest import digest_of, short
from tests.catalog import make as catalog
from tests.governance.gate_estate import beneath
from tests.governance.test_waivers_at_the_gate import PAST, PLACE, ask, asked_over_http, denied, estate, granted

pytestmark = pytest.mark.django_db
__all__ = ["estate"]  # a fixture


def another_contract() -> None:
    """An approved `contract.change` gives the version another contract."""
    row = ApiVersion.objects.get(api__slug="price-api", label="v2")
    other = ApiVersion.objects.exclude(api__slug="price-api").exclude(contract=None)[0].contract_id
    ContractRevision.objects.create(
        version=row, contract_id=other, replaces_id=row.contract_id, adopted_at=clock.now(), approval_id=1
    )
    beneath(f"update catalog_apiversion set contract_id = '{other}' where id = {row.pk}")


def of_before(waiver: Waiver) -> None:
    """As one of the time before waivers said which contract: its digest, and that of its approval, are without it."""
    waiver.subject_digest = None
    digest = digest_of(waivers.document(waiver))
    beneath(f"update governance_waiver set subject_digest = null, digest = '{digest}' where id = {waiver.pk}")
    beneath(f"update governance_approval set digest = '{digest}' where subject_kind = 'waiver'")


def contract() -> str:
    return str(ApiVersion.objects.get(api__slug="price-api", label="v2").contract_id)


def test_a_waiver_ends_with_the_contract_that_its_approvers_saw():
    waiver, seen = granted(), contract()
    assert denied(ask()) == set()
    another_contract()
    answer = ask()
    assert PAST in denied(answer)
    assert answer["waivers"] == []
    assert (waiver.subject_digest, waivers.document(waiver)["subject"]["digest"]) == (seen, seen)


def test_a_waiver_that_was_asked_for_before_the_contract_changed_opens_nothing_after_it():
    status, made = asked_over_http()
    assert status == 201
    another_contract()
    checks.run_checks(made["id"])
    change = changes.get(made["id"])
    for name in ("paula", "ada"):
        change.refresh_from_db()
        reviews.approve(change, actor=catalog.person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    applying.apply(change)
    assert PAST in denied(ask())
    granted()
    assert denied(ask()) == set()


@pytest.mark.parametrize("changed", ["before", "never", "after"])
def test_a_waiver_of_before_holds_for_the_contract_that_stood_when_it_was_approved(changed: str):
    if changed == "before":
        another_contract()
    waiver = granted()
    of_before(waiver)
    if changed == "after":
        another_contract()
    assert (PAST in denied(ask())) is (changed == "after")


def test_a_waiver_of_before_of_a_version_that_nobody_had_published_yet_opens_nothing():
    waiver = granted()
    of_before(waiver)
    soon = (clock.now() + timedelta(minutes=1)).isoformat()
    beneath(f"update catalog_apiversion set published_at = '{soon}' where label = 'v2'")
    assert PAST in denied(ask())


def told() -> tuple[str, str, bool, str]:
    (one,) = catalog.client("stan").get("/api/v1/waivers").json()["results"]
    return one["binds"], one["subject_digest"], one["holds"], one["why_not"]


@pytest.mark.parametrize("before", [False, True])
def test_it_is_told_which_contract_a_waiver_is_for_and_when_the_version_has_another(before: bool):
    waiver, seen = granted(), contract()
    if before:
        of_before(waiver)
    assert told() == ("contract", seen, True, "")
    assert short(seen) in catalog.client("stan").get("/waivers/").content.decode()
    another_contract()
    why = f"price-api@v2 is at {short(contract())} now, so it opens nothing. Ask for a new one."
    assert told() == ("contract", seen, False, why)
    assert why in catalog.client("stan").get("/waivers/").content.decode()


def test_who_asks_may_say_which_contract_is_meant():
    status, problem = asked_over_http(subject_digest="sha256:" + "0" * 64)
    assert (status, [f["pointer"] for f in problem["findings"]]) == (422, ["/subject_digest"])
    status, _ = asked_over_http(subject_digest=contract())
    assert status == 201
    assert Waiver.objects.latest("id").pointer == PLACE
