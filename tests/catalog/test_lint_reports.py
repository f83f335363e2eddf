"""What the contract rules say of a version: on its page and over REST, grouped and whole, by whose contract it is."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from catalog.models import Api
from catalog.services import version_changes
from kernel.models import AuditEntry
from tests.catalog import make

pytestmark = pytest.mark.django_db
PAGE = "/catalog/apis/price-api/versions/v3/rules/"
REST = "/api/v1/apis/price-api/versions/v3/lint"


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()
    Api.objects.filter(slug="price-api").update(data_class="internal", third_party=False)


def contract(operations: int) -> bytes:
    made = {f"/p{n}": {"get": {"responses": {"200": {"description": "x"}}}} for n in range(operations)}
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": made}).encode()


def revised(operations: int, reference: str = "price-api@v3") -> None:
    version_changes.revise_contract(
        actor=make.person("piet"), reference=reference, content=contract(operations), file_name="price.json"
    )


def test_a_rule_that_fails_everywhere_is_a_line_with_a_link_to_every_place():
    revised(60)
    text = make.client("piet").get(PAGE).content.decode()
    assert "not so at 60 of 60 operations" in text
    assert "?rule=security-required" in text
    assert "GET /p17" not in text
    every = make.client("piet").get(PAGE + "?rule=security-required").content.decode()
    assert all(f"GET /p{n} is open" in every for n in range(60))


def test_more_places_than_a_page_shows_are_counted_and_said():
    revised(501)
    text = make.client("piet").get(PAGE + "?rule=security-required").content.decode()
    assert "1 more place, in the REST API" in text
    assert len(make.client("piet").get(REST + "?rule=security-required").json()["findings"]) == 501


def test_the_rest_api_says_the_same_and_has_every_place():
    revised(60)
    whole = make.client("piet").get(REST)
    body = whole.json()
    assert (body["verdict"], body["profile"], body["tier"]) == ("error", "own", 0)
    found = next(f for f in body["findings"] if f["rule"] == "security-required")
    assert (found["count"], len(found["places"]), found["pointer"]) == (60, 3, "")
    assert make.client("piet").get(REST, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    every = make.client("piet").get(REST + "?rule=security-required").json()
    assert [rule["total"] for rule in every["rules"]] == [60]
    assert len({f["pointer"] for f in every["findings"]}) == 60
    unknown = make.client("piet").get(REST + "?rule=nothing")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "lint.rule_unknown")


def test_a_third_partys_contract_is_reported_on():
    revised(60)
    Api.objects.filter(slug="price-api").update(third_party=True)
    body = make.client("piet").get(REST).json()
    assert (body["verdict"], body["profile"]) == ("warning", "third-party")
    assert "it is reported on" in make.client("piet").get(PAGE).content.decode()


def test_the_proposed_contract_of_a_published_version_has_a_report_of_its_own():
    revised(30, "price-api@v2")
    page, rest = PAGE.replace("v3", "v2"), REST.replace("v3", "v2")
    assert "30 of 30" not in make.client("piet").get(page).content.decode()
    assert "30 of 30" in make.client("piet").get(page + "?contract=proposed").content.decode()
    assert make.client("piet").get(rest + "?contract=proposed").json()["findings"]
    assert make.client("piet").get(PAGE + "?contract=proposed").status_code == 404


def test_a_draft_is_nothing_to_others():
    assert make.client("lea").get(PAGE).status_code == 404
    assert make.client("lea").get(REST).status_code == 404


def test_a_rule_that_did_not_look_says_why():
    text = make.client("piet").get(PAGE + "?rule=event-key").content.decode()
    assert "For asyncapi only." in text
    assert make.client("piet").get(PAGE + "?rule=nothing").status_code == 404


@pytest.mark.parametrize(("answer", "word"), [("", None), ("yes", True), ("no", False)])
def test_the_registration_asks_whose_contract_it_is(answer: str, word: bool | None):
    piet = make.client("piet")
    file = SimpleUploadedFile("vouchers.yaml", make.contract("loyalty-v1.yaml").replace(b"Loyalty points", b"Vouchers"))
    read = piet.post("/catalog/register/", {"step": "read", "contract": file})
    assert "A third party provides it" in read.content.decode()
    form = {"slug": "vouchers", "name": "Vouchers", "label": "v1", "owner_team": "pricing", "tier": "1"}
    upload = {"step": "save", "upload": read.context["upload"].pk}
    assert piet.post("/catalog/register/", form | upload | {"third_party": answer}).status_code == 302
    assert Api.objects.get(slug="vouchers").third_party is word
    said = AuditEntry.objects.filter(verb="catalog.provision_stated", subject_id="vouchers")
    assert said.count() == (0 if word is None else 1)


def test_a_registration_over_rest_may_say_it_too():
    body = {"slug": "vouchers", "name": "V", "owner_team": "pricing", "tier": 1, "content": contract(1).decode()}
    answer = make.client("piet").post("/api/v1/apis", body | {"third_party": True}, content_type="application/json")
    assert answer.status_code == 201, answer.content
    assert Api.objects.get(slug="vouchers").third_party is True
