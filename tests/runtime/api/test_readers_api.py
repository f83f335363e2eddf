"""Readers of a field over HTTP: what is told, to whom, and how a field is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kernel import tokens
from runtime.models import Integration
from tests.catalog import make as catalog
from tests.runtime.test_field_readers import (
    AMOUNT,
    FIELD,
    OFFERS,
    PRICE,
    approved,
    deploy,
    manifest,
    policies_and_contract,
)

pytestmark = pytest.mark.django_db
PATH = "/api/v1/apis/price-api/versions/v2/readers"


@pytest.fixture(autouse=True)
def estate() -> None:
    policies_and_contract()


def asked(name: str, path: str = PATH, *, status: int = 200, scopes: tuple[str, ...] = ("runtime:read",)) -> Any:
    _, secret = tokens.issue(actor=None, user=catalog.person(name), name="ci", scopes=list(scopes))
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get(path)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_every_field_is_told_with_its_place_and_what_it_is_for():
    release = deploy(manifest([FIELD, AMOUNT, OFFERS]))
    body = asked("piet")
    (reader,) = body["readers"]
    assert (body["version"], body["hidden"]) == ("price-api@v2", 0)
    assert (reader["integration"], reader["release"], reader["role"], reader["name"]) == (
        "prices-to-stores",
        release.digest,
        "source",
        "prices",
    )
    assert (reader["runs_in"], reader["approved_in"], reader["unreadable"]) == (["production"], [], "")
    fields = {one["path"]: one for one in reader["fields_used"]}
    assert fields.keys() == {"sku", "amount", "offers", "offers[].code"}
    assert fields["sku"] == {
        "path": "sku",
        "pointers": [f"{PRICE}/properties/sku"],
        "used_for": ["store: id", "prices: key"],
        "manifest": ["/targets/0/mapping/fields/0/from", "/event/key"],
    }
    assert fields["offers[].code"]["pointers"] == ["/components/schemas/Offer/properties/code"]


@pytest.mark.parametrize(
    ("field", "paths"),
    [
        ("offers[].code", ["offers", "offers[].code"]),
        ("offers", ["offers", "offers[].code"]),
        ("off", []),
        ("/components/schemas/Offer/properties/code", ["offers[].code"]),
        (f"{PRICE}/properties/offers", ["offers", "offers[].code"]),
        (f"{PRICE}/properties/note", []),
        ("note", []),
    ],
)
def test_a_field_is_asked_for_by_path_or_by_pointer(field: str, paths: list[str]):
    deploy(manifest([FIELD, AMOUNT, OFFERS]))
    body = asked("piet", f"{PATH}?field={field}")
    assert [one["path"] for reader in body["readers"] for one in reader["fields_used"]] == paths


def test_who_may_not_see_the_flow_is_told_of_nobody_and_the_owner_of_the_api_a_number():
    deploy(manifest())
    assert asked("stan") == {"version": "price-api@v2", "readers": [], "hidden": None}
    Integration.objects.update(owner_team=catalog.person("lea").groups.get())
    assert asked("piet") == {"version": "price-api@v2", "readers": [], "hidden": 1}


def test_a_version_that_is_hidden_and_one_that_is_not_there_are_the_same():
    for label in ("v1", "v9"):
        problem = asked("stan", f"/api/v1/apis/loyalty-api/versions/{label}/readers", status=404)
        assert problem["code"] == "version.unknown"
        assert problem["detail"].startswith(f"loyalty-api has no version '{label}'")
    asked("stan", "/api/v1/apis/price-api/versions/v3/readers", status=404)


def test_the_scope_is_that_of_the_runtime():
    asked("piet", status=403, scopes=("catalog:read",))


def test_a_release_whose_fields_are_not_known_is_told_whatever_field_is_asked_for():
    release = deploy(manifest())
    approved(release, release.manifest | {"sources": [release.manifest["sources"][0] | {"schema": ""}]})
    body = asked("piet", f"{PATH}?field=note")
    (reader,) = body["readers"]
    assert (reader["approved_in"], reader["fields_used"]) == (["production"], [])
    assert "names no schema with fields" in reader["unreadable"]


def test_the_answer_takes_a_fixed_number_of_queries(django_assert_max_num_queries: Any):
    deploy(manifest([FIELD, AMOUNT, OFFERS]))
    asked("piet")
    with django_assert_max_num_queries(20):
        asked("piet")
