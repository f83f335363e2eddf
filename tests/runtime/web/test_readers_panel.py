"""Who uses the fields that differ, on the page of a change and of a comparison, as each viewer may be told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from catalog.models import ApiVersion
from catalog.services import contracts, version_changes
from governance.models import ChangeRequest
from runtime.models import Integration
from tests.catalog import make as catalog
from tests.governance.raw_sql import beneath_guards
from tests.runtime.test_field_readers import (
    AMOUNT,
    BEFORE,
    FIELD,
    OFFER,
    OFFERS,
    approved,
    contract,
    deploy,
    manifest,
    policies_and_contract,
    proposed,
    without,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    policies_and_contract()


def fetched(name: str, path: str, status: int = 200) -> str:
    client: Client = catalog.client(name)
    client.raise_request_exception = False
    answer = client.get(path)
    assert answer.status_code == status, path
    return catalog.shown(answer)


def panel_of(change: ChangeRequest) -> str:
    subject = change.subjects.get()
    return f"/runtime/panels/readers/{subject.subject_id}/?digest={subject.digest}&environment=production"


def test_the_change_page_loads_the_panel_which_names_flow_release_and_field():
    release = deploy(manifest([FIELD, OFFERS]))
    inner = {"type": "object", "properties": {"text": {"type": "string"}}}
    change = proposed(contract(BEFORE, Offer=inner))
    path = panel_of(change)
    page = fetched("piet", f"/changes/{change.pk}/")
    assert path.replace("sha256:", "sha256%3A").replace("&", "&amp;") in page
    said = fetched("piet", path)
    assert "no longer has the optional property <code>code</code>" in said
    assert 'Read by <a href="/runtime/integrations/prices-to-stores/?release=' in said
    assert release.digest[7:15] in said
    assert "<code>offers[].code</code>" in said
    assert "runs in production" in said


def test_a_difference_that_touches_no_field_of_a_flow_is_not_in_the_panel():
    deploy(manifest())
    said = fetched("piet", panel_of(proposed(contract(without("note"), Offer=OFFER))))
    assert "touches a field that 1 deployed or approved integration uses" in said


def test_the_flow_is_told_to_who_sees_it_and_counted_for_who_may_change_the_api():
    deploy(manifest([FIELD, AMOUNT]))
    change = proposed(contract(without("sku"), Offer=OFFER))
    stranger = fetched("stan", panel_of(change))
    assert "Prices to stores" not in stranger
    assert "of other teams" not in stranger
    assert "No deployed or approved integration that you may see uses price-api@v2" in stranger
    assert "Prices to stores" in fetched("ada", panel_of(change)), "architects see every integration"
    Integration.objects.update(owner_team=catalog.person("lea").groups.get())
    owner = fetched("piet", panel_of(change))
    assert "Prices to stores" not in owner
    assert "1 integration of other teams uses price-api@v2." in owner, "not *too*: the owner is told of none before it"
    assert "of other teams" not in fetched("stan", panel_of(change))


def test_a_version_that_is_hidden_and_one_that_is_not_there_are_told_in_the_same_words():
    for label in ("v1", "v9"):
        said = fetched("stan", f"/runtime/panels/readers/loyalty-api@{label}/", 404)
        assert f"There is no API version &#x27;loyalty-api@{label}&#x27;, or you may not see it." in said
    for odd in ("price-api", "price-api@v3", "@", "price-api@v2/x"):
        fetched("stan", f"/runtime/panels/readers/{odd}/", 404)
    fetched("stan", "/runtime/panels/readers/price-api@v2/?to=v3", 404)
    fetched("stan", "/runtime/panels/readers/price-api@v2/?digest=sha256:no")


def test_the_comparison_page_loads_the_panel_for_the_older_version():
    deploy(manifest([FIELD, AMOUNT]))
    version_changes.revise_contract(
        actor=catalog.person("piet"),
        reference="price-api@v3",
        content=contract(without("amount"), Offer=OFFER),
        file_name="price.json",
    )
    page = fetched("piet", "/catalog/apis/price-api/compare/?from=v2&to=v3")
    assert "/runtime/panels/readers/price-api@v2/?to=v3" in page.replace("%40", "@")
    said = fetched("piet", "/runtime/panels/readers/price-api@v2/?to=v3")
    assert "<code>amount</code>" in said
    assert "Read by" in said


def test_a_flow_whose_fields_are_not_known_is_told_so():
    release = deploy(manifest())
    approved(release, release.manifest | {"sources": [release.manifest["sources"][0] | {"schema": ""}]})
    said = fetched("piet", panel_of(proposed(contract(without("note"), Offer=OFFER))))
    assert "Not known" in said
    assert "the manifest names no schema with fields" in said


def test_of_a_version_that_nobody_changes_the_panel_lists_who_uses_it():
    deploy(manifest([FIELD, AMOUNT]))
    said = fetched("piet", "/runtime/panels/readers/price-api@v2/")
    assert "Integrations that use price-api@v2" in said
    assert "reads 2" in said


def test_two_contracts_that_cannot_be_compared_are_no_harmless_ones():
    deploy(manifest())
    other: dict[str, Any] = {"asyncapi": "2.6.0", "info": {"title": "t", "version": "1"}, "channels": {}}
    stored = contracts.store(contracts.read_contract(json.dumps(other).encode(), file_name="a.json"))
    with beneath_guards():
        ApiVersion.objects.filter(api__slug="price-api", label="v3").update(contract=stored)
    said = fetched("piet", "/runtime/panels/readers/price-api@v2/?to=v3")
    assert "The two contracts cannot be compared" in said
    assert "touches" not in said
