"""Drift reports: who hands them in, what of them is kept, and where the catalog shows them."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from catalog.models import ApiVersion, DriftReport
from catalog.selectors import drift as reports
from catalog.services import drift
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid
from kernel.models import AuditEntry
from tests.catalog import make
from tests.catalog.test_api import bearer, send

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/apis/price-api/versions/v2/drift"
CALL = "GET /prices/{sku}"


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def version() -> ApiVersion:
    return ApiVersion.objects.get(api__slug="price-api", label="v2")


def difference(kind: str = "undeclared-member", *what: str, **more: Any) -> dict[str, Any]:
    said = {"operation": CALL, "side": "response 200", "place": "", "declared": "", "count": 3, "seen": 9, "refused": 0}
    return {"kind": kind, "what": list(what), **said, **more}


def report(*differences: dict[str, Any], **more: Any) -> dict[str, Any]:
    now = clock.now()
    return {
        "contract": version().contract_id,
        "source": "har",
        "observed_from": (now - timedelta(days=2)).isoformat(),
        "observed_until": (now - timedelta(days=1)).isoformat(),
        "exchanges": 9,
        "skipped": 0,
        "bodies": 9,
        "unread_bodies": 0,
        "operations_known": 1,
        "operations_seen": 1,
        "differences": list(differences),
        "left_out": 0,
        **more,
    }


def hand_in(given: dict[str, Any], *, by: str = "piet", report_id: str = "r1") -> drift.DriftReceipt:
    return drift.record(
        actor=make.person(by), version_id=version().pk, environment="production", report_id=report_id, report=given
    )


def test_a_report_is_kept_with_who_and_when_and_stands_in_the_ledger():
    hand_in(report(difference("undeclared-member", "loyalty")))
    (told,) = reports.newest([version().pk])
    assert told.differences[0].message == "The body has members that the contract does not list: `loyalty`."
    assert (told.environment, told.present, told.exchanges) == ("Production", True, 9)
    entry = AuditEntry.objects.get(verb="catalog.drift_observed")
    assert (entry.subject_kind, entry.subject_id) == ("version", "price-api@v2")


def test_only_who_may_change_the_api_hands_in():
    with pytest.raises(Forbidden):
        hand_in(report(), by="stan")
    assert not DriftReport.objects.exists()


def test_the_same_report_is_answered_again_and_another_one_of_its_name_is_refused():
    given = report()
    hand_in(given)
    assert hand_in(copy.deepcopy(given)).repeated
    with pytest.raises(Conflict) as refused:
        hand_in(report(exchanges=10))
    assert refused.value.code == "drift.report_reused"
    assert DriftReport.objects.count() == 1


def test_a_report_about_another_contract_is_refused():
    with pytest.raises(Conflict) as refused:
        hand_in(report(contract="sha256:" + "0" * 64))
    assert refused.value.code == "drift.other_contract"


def test_the_newest_report_of_an_environment_is_told_and_the_number_of_reports_is_bounded(monkeypatch):
    monkeypatch.setattr(drift, "KEPT_OF_A_VERSION", 2)
    for number in range(4):
        until = (clock.now() - timedelta(hours=10 - number)).isoformat()
        hand_in(report(observed_until=until, exchanges=number), report_id=f"r{number}")
    assert [one.exchanges for one in reports.newest([version().pk])] == [3]
    assert DriftReport.objects.count() == 2


PRIVATE = ["jane.doe@example.com", "4111111111111111", "Jane Doe", "+49 170 1234567", "9f8e7d6c5b4a39281706"]


@pytest.mark.parametrize("text", PRIVATE)
@pytest.mark.parametrize(
    "kind",
    [
        "undeclared-member",
        "enum-value-new",
        "enum-value-unseen",
        "missing-member",
        "wrong-type",
        "status-undeclared",
        "parameter-undeclared",
        "operation-undeclared",
        "operation-uncalled",
        "undeclared-map",
    ],
)
def test_what_may_be_data_about_somebody_is_not_kept_whatever_the_observer_sent(kind: str, text: str):
    given = difference(kind, text, place=f"lines[].{text}", declared=text, operation=f"GET /{text}", side=text)
    hand_in(report(given))
    kept = json.dumps(DriftReport.objects.get().differences)
    assert text not in kept
    assert text.partition("@")[0] not in kept


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"exchanges": -1}, "/report/exchanges"),
    ({"exchanges": "9"}, "/report/exchanges"),
    ({"source": "gossip"}, "/report/source"),
    ({"observed_from": None}, "/report/observed_from"),
    ({"observed_until": "2026-11-01T10:00:00"}, "/report/observed_until"),
    ({"observed_until": "2999-11-01T10:00:00Z"}, "/report/observed_until"),
    ({"differences": {}}, "/report/differences"),
    ({"differences": [7]}, "/report/differences/0"),
    ({"differences": [{"kind": "rumour"}]}, "/report/differences/0"),
    ({"differences": [difference("wrong-type", count=-1)]}, "/report/differences/0/count"),
    ({"differences": [difference("wrong-type", place=7)]}, "/report/differences/0/place"),
    ({"differences": [difference("wrong-type", what="string")]}, "/report/differences/0/what"),
    ({"differences": [difference()] * 501}, "/report/differences"),
]


@pytest.mark.parametrize(("more", "pointer"), BROKEN)
def test_a_report_that_cannot_be_read_is_refused_with_its_place(more: dict[str, Any], pointer: str):
    with pytest.raises(Invalid) as refused:
        hand_in(report(**more))
    assert pointer in [found["pointer"] for found in refused.value.findings]
    assert not DriftReport.objects.exists()


def test_the_api_takes_a_report_with_its_own_scope_and_tells_it():
    body = {"report_id": "r1", "environment": "production", "report": report(difference("undeclared-member", "x"))}
    made = send("POST", ADDRESS, body)
    assert made.status_code == 201, made.content
    assert made.json() == {"report_id": "r1", "repeated": False, "differences": 1, "dropped": 0}
    assert send("POST", ADDRESS, body).status_code == 200
    (told,) = send("GET", ADDRESS, by="stan").json()
    assert told["differences"][0]["what"] == ["x"]
    assert send("POST", ADDRESS, body, by="stan").status_code == 403


def test_a_token_without_the_scope_hands_nothing_in():
    body = {"report_id": "r1", "environment": "production", "report": report()}
    for scope, status in (("catalog:write", 403), ("drift:write", 201)):
        assert send("POST", ADDRESS, body, by="piet", **bearer("piet", scope)).status_code == status


def test_junk_is_refused_and_no_error_of_the_server():
    for body in (
        {},
        {"report_id": "r", "environment": "moon", "report": report()},
        {"report_id": "r", "environment": "production", "report": {}},
    ):
        assert send("POST", ADDRESS, body).status_code in (409, 422), body


def test_the_api_page_shows_what_was_observed():
    hand_in(report(difference("undeclared-member", "loyalty"), difference("enum-value-unseen", "web", place="channel")))
    text = make.shown(make.client("stan").get("/catalog/apis/price-api/"))
    assert "Observed traffic" in text
    assert "members that the contract does not list: <code>loyalty</code>" in text
    assert "1 not seen" in text
    assert "Recorded by" in text


def test_the_api_page_says_nothing_where_nothing_was_observed():
    assert "Observed traffic" not in make.shown(make.client("stan").get("/catalog/apis/price-api/"))


def test_counts_of_bodies_are_kept_and_reports_of_earlier_observers_are_taken_without_them():
    hand_in(report(bodies=7, unread_bodies=2))
    (told,) = reports.newest([version().pk])
    assert (told.bodies, told.unread_bodies) == (7, 2)
    earlier = report()
    del earlier["bodies"], earlier["unread_bodies"]
    hand_in(earlier, report_id="r2")
    assert DriftReport.objects.get(report_id="r2").bodies is None
    with pytest.raises(Invalid) as refused:
        hand_in(report(bodies=-1), report_id="r3")
    assert [one["pointer"] for one in refused.value.findings] == ["/report/bodies"]


def test_a_word_that_is_no_method_of_http_is_dropped():
    receipt = hand_in(report(difference("operation-undeclared", "JANSEN /api", "GET /api")))
    assert receipt.dropped == 1
    assert receipt.report.differences[0]["what"] == ["GET /api"]
