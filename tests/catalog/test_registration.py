"""From a contract to a draft."""

from __future__ import annotations

import pytest

from catalog import permissions
from catalog.models import Api, Contract
from catalog.selectors import apis, contracts, versions
from catalog.services import apis as api_changes
from catalog.services import contract_proposal, registration, version_changes
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.models import AuditEntry
from kernel.viewer import Viewer
from tests.catalog import make

pytestmark = pytest.mark.django_db
GIFT = b"""openapi: 3.0.3
info: {title: Gift card, version: ""}
paths:
  /tenders/{number}/balance:
    get: {operationId: getTenderBalance, responses: {"200": {description: ok, content: {application/json: {schema:
      {type: object, properties: {cardNumber: {type: string},
        holder: {type: object, properties: {email: {type: string}}}}}}}}}}
"""


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def register(**more):
    values = {"slug": "gift-card", "name": "Gift card", "owner_team": "pricing", "tier": 1} | more
    return registration.register(actor=make.person("piet"), content=values.pop("content", GIFT), **values)


def test_a_contract_says_what_it_is_and_what_is_missing():
    found = contract_proposal.propose(GIFT, file_name="gift-card.yaml", viewer=Viewer.of(make.person("piet")))
    assert (found.title, found.slug, found.format, found.operation_count) == (
        "Gift card",
        "gift-card",
        "openapi-3.0",
        1,
    )
    assert found.data_class == "cardholder"
    assert found.sensitive == ("cardNumber", "email")
    assert [(h.entity, h.access) for h in found.entities] == [("tender", "authoritative_read")]
    assert set(found.missing) == {"version", "description", "servers"}
    assert not Contract.objects.filter(title="Gift card").exists()


def test_a_draft_is_in_the_ledger_seen_by_its_team_only_and_owned_by_its_group():
    facts = register()
    assert (facts.state, facts.origin, facts.reference.startswith("gift-card@")) == ("draft", "registered", True)
    assert contracts.original(facts.contract_digest) == (GIFT, "application/yaml")
    assert AuditEntry.objects.filter(verb="catalog.api_registered", subject_id="gift-card").exists()
    assert apis.find("gift-card", viewer=Viewer.of(make.person("paula")))
    with pytest.raises(NotFound):
        apis.find("gift-card", viewer=Viewer.of(make.person("lea")))
    assert make.person("paula").has_perm("catalog.change_api", Api.objects.get(slug="gift-card"))
    assert not make.person("lea").has_perm("catalog.change_api", Api.objects.get(slug="gift-card"))


def test_everything_that_is_missing_is_said_at_once_and_nothing_is_kept():
    with pytest.raises(Invalid) as caught:
        register(
            slug="Gift Card",
            owner_team="",
            tier=None,
            domain="nowhere",
            layer="roof",
            entities=[{"entity": "ghost", "access": "command"}],
        )
    assert {f["pointer"] for f in caught.value.findings} == {
        "/slug",
        "/owner_team",
        "/tier",
        "/domain",
        "/layer",
        "/entities/0/entity",
    }
    assert not Api.objects.filter(name="Gift card").exists()
    assert not Contract.objects.filter(title="Gift card").exists()


def test_a_draft_is_registered_for_an_own_team_only():
    with pytest.raises(Forbidden):
        register(owner_team="loyalty")


def test_a_taken_short_name_is_a_conflict_that_points_to_the_field():
    with pytest.raises(Conflict) as caught:
        register(slug="price-api")
    assert caught.value.code == "api.slug_taken"
    assert caught.value.findings[0]["pointer"] == "/slug"


@pytest.mark.parametrize(
    "content",
    [b"", b"   ", b"hello", b"[1, 2]", b"{", b"\xff\xfe\x00", b"<a/>", b'{"openapi": "3.0.0", "openapi": "3.1.0"}'],
)
def test_what_is_no_contract_is_refused_with_a_code_and_nothing_is_kept(content):
    before = Contract.objects.count()
    with pytest.raises(Invalid) as caught:
        register(content=content)
    assert caught.value.code.startswith("contract.")
    assert Contract.objects.count() == before


def test_the_same_contract_is_not_a_second_version():
    with pytest.raises(Conflict) as caught:
        registration.add_version(
            actor=make.person("piet"), slug="price-api", content=make.contract("price-v2.yaml"), label="v9"
        )
    assert caught.value.data["reference"] == "price-api@v2"


def test_a_vendor_who_never_changes_the_version_still_gets_distinct_labels():
    first = registration.add_version(
        actor=make.person("piet"), slug="price-api", content=make.contract("price-v2.yaml") + b"x-a: 1\n"
    )
    second = registration.add_version(
        actor=make.person("piet"), slug="price-api", content=make.contract("price-v2.yaml") + b"x-a: 2\n"
    )
    assert first.label == "2.0"
    assert second.label == f"2.0+{second.contract_digest[7:15]}"


def test_a_stranger_adds_no_version_and_changes_nothing():
    lea = make.person("lea")
    with pytest.raises(Forbidden):
        registration.add_version(actor=lea, slug="price-api", content=GIFT)
    with pytest.raises(Forbidden):
        api_changes.change("price-api", values={"purpose": "mine"}, actor=lea)


def test_handing_an_api_over_moves_the_grant_and_the_visibility():
    piet, lea = make.person("piet"), make.person("lea")
    api_changes.change("price-api", values={"owner_team": "loyalty"}, actor=make.person("ada"))
    api = Api.objects.get(slug="price-api")
    assert permissions.may_change_api(Viewer.of(lea), api)
    refused = permissions.may_change_api(Viewer.of(piet), api)
    assert not refused
    assert "Loyalty team" in refused.reason
    assert list(permissions.editable(Viewer.of(lea)).values_list("slug", flat=True).order_by("slug")) == [
        "loyalty-api",
        "price-api",
    ]


def test_a_stated_tier_is_not_edited_past_the_gate():
    with pytest.raises(Invalid) as caught:
        api_changes.change("price-api", values={"tier": 3}, actor=make.person("piet"))
    assert caught.value.findings[0]["code"] == "tier.needs_change_request"
    assert versions.by_reference("price-api@v2").tier == 0


def test_a_draft_may_be_withdrawn_and_stays_readable():
    facts = version_changes.withdraw(actor=make.person("piet"), reference="price-api@v3", reason="wrong file")
    assert facts.state == "withdrawn"
    assert contracts.document(facts.contract_digest).title == "Price"
