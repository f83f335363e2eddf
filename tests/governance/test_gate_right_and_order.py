"""Who may bring an integration, who moves first where several versions are replaced, and what was not there then."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from governance.domain import typing_errors
from governance.models import Approval
from governance.selectors.agreed_breaks import AgreedBreak
from kernel import clock
from tests.governance import gate_estate
from tests.governance.gate_estate import NEXT, OLD, beneath, brings, record, running, subscribe, version

pytestmark = pytest.mark.django_db
FIRST = "price-api@v1"
PROVIDES = {"application": "price-service", "provides": [NEXT], "consumes": ["loyalty-api@v1"]}


@pytest.fixture(autouse=True)
def estate() -> None:
    gate_estate.build()


def ask(**question: Any) -> dict[str, Any]:
    body = {"version": "2", "environment": "production", "consumes": []} | question
    answer = gate_estate.client().post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def test_an_integration_of_another_team_is_not_brought_however_well_it_is_approved():
    assert ask(**brings())["verdict"] == "allow"
    answer = ask(**brings() | {"application": "web-shop"})
    assert (answer["verdict"], codes(answer)) == ("deny", ["integration.not_allowed"])
    assert answer["reasons"][0]["who"] == "team order-team"


def test_what_was_approved_later_was_not_approved_then():
    beneath("update governance_approval set used_at = clock_timestamp()")
    approval = Approval.objects.get()
    earlier = ask(**brings(), as_of=(approval.sealed_at - timedelta(hours=1)).isoformat())
    assert (earlier["verdict"], codes(earlier)) == ("deny", ["approval.outside_window"])
    assert ask(**brings(), as_of=(clock.now() + timedelta(hours=1)).isoformat())["verdict"] == "allow"


# -- who moves first ---------------------------------------------------------------------------------------------------


def relations(monkeypatch: pytest.MonkeyPatch, **by_label: str) -> None:
    """How going from the version of this label to the new one stands to order."""
    known = {version(f"price-api@{label}").contract_id: word for label, word in by_label.items()}
    assert len(known) == len(by_label)
    monkeypatch.setattr("governance.services.upgrade_order.relation", lambda old, new: known.get(old, "none"))


@pytest.fixture
def two_versions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The price service runs two versions, each with a consumer of its own, and both are replaced."""
    subscribe("web-shop", FIRST)
    running(FIRST)
    late = AgreedBreak(9, date(2030, 1, 1))
    monkeypatch.setattr("governance.selectors.agreed_breaks.agreed", lambda *_: {"web-shop": late, "till": late})
    return lambda **by_label: relations(monkeypatch, **by_label)


def test_a_break_that_one_consumer_agreed_to_lets_no_other_one_move_late(two_versions):
    two_versions(v1="breaking", v2="backward")
    answer = ask(**PROVIDES)
    assert (answer["verdict"], codes(answer)) == ("deny", ["order.consumers_first"])
    assert "till is not upgraded" in answer["reasons"][0]["message"]
    record(application="till", version="2", consumes=[NEXT])
    assert ask(**PROVIDES)["verdict"] == "allow"


def test_who_uses_both_has_to_move_from_the_one_that_asks_for_it(two_versions):
    subscribe("till", FIRST)
    two_versions(v1="breaking", v2="backward")
    assert codes(ask(**PROVIDES)) == ["order.consumers_first"]
    record(application="till", version="2", consumes=[FIRST, NEXT])
    assert ask(**PROVIDES)["verdict"] == "allow"


def test_who_uses_only_what_any_order_suits_does_not_have_to_move(two_versions):
    two_versions(v1="forward", v2="backward")
    record(application="till", version="2", consumes=[NEXT])
    assert ask(**PROVIDES)["verdict"] == "allow"


# -- mistyped places ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["frankfrut", "frankfur", "frankfuurt", "frankfort", "Frankfurt", "frank-furt"])
def test_an_instance_that_is_mistyped_is_none_outside_of_fleets_too(said: str):
    record(application="price-service", instance="frankfurt", provides=[OLD], consumes=["loyalty-api@v1"])
    answer = ask(application="till", consumes=[OLD], instance=said)
    assert "instance.unknown" in codes(answer)
    assert answer["verdict"] != "allow"
    assert "frankfurt" in next(one["fix"] for one in answer["reasons"] if one["code"] == "instance.unknown")


@pytest.mark.parametrize("said", ["frankfurt", "munich", "frankfurt-2", "f"])
def test_a_new_instance_is_one(said: str):
    record(application="price-service", instance="frankfurt", provides=[OLD], consumes=["loyalty-api@v1"])
    assert "instance.unknown" not in codes(ask(application="till", consumes=[OLD], instance=said))


@pytest.mark.parametrize(
    ("said", "meant", "is_one"),
    [
        ("node-1", "node-2", False),
        ("node-12", "node-1", False),
        ("north", "south", False),
        ("abc", "abd", False),
        ("same", "same", False),
        ("store1", "storel", True),
        ("", "x", False),
    ],
)
def test_names_that_differ_by_a_number_or_by_much_are_two(said: str, meant: str, is_one: bool):
    assert typing_errors.is_one(said, meant) is is_one
