"""G1 by rows of tables in which the estate of the other test has none: whatever becomes of them, a no stays one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.models import Api, Application, Environment, ProviderRight, RetailStore, ScopeValue
from governance.models import BreakAcceptance, Waiver
from governance.services import waivers
from kernel import clock
from kernel.digest import digest_of
from kernel.models import User
from tests.governance import gate_estate, test_agreed_breaks
from tests.governance.gate_estate import NOS, OLD, No, beneath
from tests.governance.test_gate_rows import after, answer, damages, is_yes, tables_read

pytestmark = pytest.mark.django_db
OTHER = "sha256:" + "d" * 64


def granted(rule: str, reference: str, pointer: str, **more: Any) -> Waiver:
    """Granted with a digest over what it says, as its approval binds it."""
    made = Waiver(
        rule=rule,
        pointer=pointer,
        subject_kind="version",
        subject_id=reference,
        reason="The image of the tills is frozen.",
        requested_by=User.objects.get(username="ada"),
        **{
            "subject_digest": gate_estate.version(reference).contract_id,
            "application": "till",
            "environment": "production",
            "starts_at": clock.now() - timedelta(days=1),
            "expires_at": clock.now() + timedelta(days=5),
        }
        | more,
    )
    made.digest = digest_of(waivers.document(made))
    made.save()
    beneath(f"update governance_waiver set state = 'granted', granted_at = now() where id = {made.pk}")
    return made


def no_of(code: str) -> No:
    return next(no for no in NOS if no.code == code)


def reason(no: No) -> tuple[str, str, str]:
    found = answer(gate_estate.client(), no.question())
    assert found is not None
    (one,) = [r for r in found["reasons"] if r["code"] == no.code][:1]
    return no.code, one["subject"], one["pointer"]


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "of another application": ("version.past_sunset", {"application": "web-shop"}),
    "for another consumer's release": ("contract.breaking_for_consumer", {"application": "web-shop"}),
    "of another contract": ("version.past_sunset", {"subject_digest": OTHER}),
    "of no contract": ("version.past_sunset", {"subject_digest": ""}),
    "in another environment": ("version.past_sunset", {"environment": "test"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_damaged_row_of_a_waiver_that_opens_nothing_makes_it_open(way: str, monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    code, more = WAYS[way]
    no = no_of(code)
    no.first(monkeypatch)
    granted(*reason(no), **more)
    client, question = gate_estate.client(), no.question()
    assert not is_yes(answer(client, question))
    assert "governance_waiver" in tables_read(client, question)
    listed = list(damages("governance_waiver"))
    assert len(listed) > 30
    assert [str(one) for one in listed if after(client, one, question)] == []


@pytest.mark.parametrize("code", ["version.past_sunset", "contract.breaking_for_consumer"])
def test_the_same_waiver_for_this_application_and_contract_does_open_it(code: str, monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    no = no_of(code)
    no.first(monkeypatch)
    granted(*reason(no), application=no.question()["application"])
    assert is_yes(answer(gate_estate.client(), no.question()))


def stays_no(question: dict[str, Any], *tables: str) -> None:
    """Each damage of each row of these tables, which the gate reads for this question."""
    client = gate_estate.client()
    assert not is_yes(answer(client, question))
    assert set(tables) <= set(tables_read(client, question))
    listed = [damage for table in tables for damage in damages(table)]
    assert len(listed) >= 10
    assert [str(one) for one in listed if after(client, one, question)] == []


def test_no_damaged_right_to_provide_lets_an_application_provide():
    """One of another application, and one that has ended."""
    gate_estate.build()
    api, given = Api.objects.get(slug="price-api"), {"reason": "For a while.", "granted_by": None}
    for application, ended in (("till", None), ("web-shop", clock.now())):
        row = Application.objects.get(key=application)
        ProviderRight.objects.create(application=row, api=api, ended_at=ended, **given)
    stays_no(no_of("provider.not_allowed").question(), "catalog_providerright")


def test_no_damaged_store_gets_out_of_the_freeze_of_its_banner():
    gate_estate.build()
    Environment.objects.filter(key="production").update(is_fleet=True)
    for banner in ("south", "north"):
        row, _ = ScopeValue.objects.get_or_create(dimension="banner", key=banner, defaults={"name": banner})
        RetailStore.objects.create(key=f"{banner}-0001", name=banner.title(), banner=row, zone="Europe/Berlin")
    gate_estate.freeze(banner="south")
    stays_no({"application": "till", "consumes": [OLD], "instance": "south-0001"}, "catalog_retailstore")


def test_no_damaged_acceptance_lets_who_should_have_moved_stay():
    test_agreed_breaks.agreed_until()
    over = clock.now().date() - timedelta(days=1)
    assert BreakAcceptance.objects.exists()
    beneath(f"update governance_breakacceptance set migrate_by = '{over}' where kind = 'breaking'")
    stays_no(test_agreed_breaks.provides("price-api@v3"), "governance_breakacceptance")
