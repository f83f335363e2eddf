"""Systems and business entities are registered by page and API, a system of record is proposed, and a blueprint goes on
from there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import BusinessEntity, System, Team
from catalog.services import blueprint
from governance.models import ChangeRequest
from kernel.errors import Invalid
from kernel.models import AuditEntry
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    make.estate()


def call(username: str, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    client = make.client(username)
    sent = {"content_type": "application/json", "headers": headers}
    answer = (
        getattr(client, method)(f"/api/v1/{path}", body, **sent) if body is not None else client.get(f"/api/v1/{path}")
    )
    assert answer.status_code == status, answer.content
    return answer


def entries(kind: str, key: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(subject_kind=kind, subject_id=key).order_by("pk"))


def test_a_system_is_registered_for_an_own_team_read_and_changed() -> None:
    body = {"key": "wms", "name": "Warehouse", "vendor": "Example", "deployment": "cloud", "owner_team": "pricing"}
    made = call("piet", "post", "systems", body, 201)
    assert made["Location"] == "/api/v1/systems/wms"
    found = call("stan", "get", "systems/wms")
    assert found.json() == made.json() | {"third_party": None}
    changed = call("piet", "patch", "systems/wms", {"description": "Stocks."}, **{"If-Match": found["ETag"]}).json()
    assert changed["description"] == "Stocks."
    assert changed["vendor"] == "Example"
    assert [one.verb for one in entries("system", "wms")] == ["catalog.system_registered", "catalog.system_changed"]
    call("piet", "patch", "systems/wms", {"description": "x"}, 412, **{"If-Match": found["ETag"]})
    call("piet", "patch", "systems/wms", {"description": "x"}, 428)
    call("stan", "patch", "systems/wms", {"description": "x"}, 403, **{"If-Match": "*"})
    assert [one["key"] for one in call("stan", "get", "systems").json() if one["key"] == "wms"] == ["wms"]


def test_only_architects_register_a_system_for_another_team_or_for_none() -> None:
    for team in ("store-systems", None):
        refused = call("piet", "post", "systems", {"key": "wms", "owner_team": team}, 403).json()
        assert refused["findings"][0]["pointer"] == "/owner_team"
    assert not System.objects.filter(key="wms").exists()
    call("ada", "post", "systems", {"key": "wms", "owner_team": None}, 201)


WRONG_SYSTEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"key": "W M S"}, "/key", "'w-m-s' would do"),
    ({"key": "add"}, "/key", "is no key"),
    ({"key": "wms", "owner_team": "Pricing"}, "/owner_team", "Did you mean pricing?"),
    ({"key": "wms", "owner_team": "pricin"}, "/owner_team", "Did you mean pricing?"),
    ({"key": "wms", "deployment": "moon"}, "/deployment", "Choose one of: cloud, on_premise, store_edge."),
    ({"key": "wms", "name": "POINT  of Sale"}, "/name", "'pos' is known as"),
    ({"key": "wms", "name": "w\u00a0ms", "vendor": "v" * 121}, "/vendor", "120"),
]


@pytest.mark.parametrize(("body", "pointer", "words"), WRONG_SYSTEMS)
def test_what_is_wrong_with_a_system_is_said_with_its_place(body: dict[str, Any], pointer: str, words: str) -> None:
    System.objects.filter(key="pos").update(name="Point of sale")
    refused = call("ada", "post", "systems", body, 422).json()
    assert [one["pointer"] for one in refused["findings"]] == [pointer], refused
    assert words in refused["findings"][0]["message"]
    assert not System.objects.filter(key="wms").exists()


def test_a_key_that_is_taken_is_a_conflict_that_names_it() -> None:
    refused = call("ada", "post", "systems", {"key": "pos"}, 409).json()
    assert refused["code"] == "system.key_taken"
    refused = call("ada", "post", "entities", {"key": "price"}, 409).json()
    assert refused["code"] == "entity.key_taken"


def test_a_new_owner_of_a_system_is_said_by_both_sides() -> None:
    given = {"owner_team": "store-systems"}
    system = System.objects.create(key="wms", name="Warehouse", owner_team=Team.objects.get(key="pricing"))
    refused = call("piet", "patch", "systems/wms", given, 403, **{"If-Match": "*"}).json()
    assert refused["code"] == "system.needs_receiving_team"
    assert refused["findings"][0]["pointer"] == "/owner_team"
    system.refresh_from_db()
    assert system.owner_team.key == "pricing"
    call("ada", "patch", "systems/wms", given, **{"If-Match": "*"})


def test_an_entity_is_registered_by_the_owner_of_its_domain_and_keeps_parts_that_a_change_does_not_name() -> None:
    body = {"key": "gift-card", "name": "Gift card", "domain": "price", "aliases": ["voucher"]}
    made = call("piet", "post", "entities", body | {"attribute_groups": [{"key": "balance"}]}, 201)
    found = call("stan", "get", "entities/gift-card")
    assert found.json() == made.json()
    assert found.json()["attribute_groups"] == [{"key": "balance", "name": "balance"}]
    given = {"attribute_groups": [{"key": "terms", "name": "Terms of use"}]}
    changed = call("piet", "patch", "entities/gift-card", given, **{"If-Match": found["ETag"]}).json()
    assert [one["key"] for one in changed["attribute_groups"]] == ["balance", "terms"]
    told = [one.verb for one in entries("entity", "gift-card")]
    assert told == ["catalog.entity_registered", "catalog.entity_changed"]
    call("stan", "post", "entities", {"key": "tax", "domain": "price"}, 403)
    call("stan", "patch", "entities/gift-card", {"name": "x"}, 403, **{"If-Match": "*"})
    call("piet", "post", "entities", {"key": "tax"}, 403)


WRONG_ENTITIES: list[tuple[dict[str, Any], str]] = [
    ({"key": "Gift Card"}, "/key"),
    ({"key": "card", "domain": "prise"}, "/domain"),
    ({"key": "card", "aliases": ["PRICE"]}, "/aliases/0"),
    ({"key": "card", "name": "  Price "}, "/name"),
    ({"key": "card", "attribute_groups": [{"key": "a"}, {"key": "a"}]}, "/attribute_groups/1/key"),
    ({"key": "card", "attribute_groups": [{"key": "A b"}]}, "/attribute_groups/0/key"),
]


@pytest.mark.parametrize(("body", "pointer"), WRONG_ENTITIES)
def test_what_is_wrong_with_an_entity_is_said_with_its_place(body: dict[str, Any], pointer: str) -> None:
    refused = call("ada", "post", "entities", body, 422).json()
    assert [one["pointer"] for one in refused["findings"]] == [pointer], refused
    assert not BusinessEntity.objects.filter(key="card").exists()


def test_the_first_system_of_record_is_proposed_and_its_domain_is_asked() -> None:
    call("ada", "post", "entities", {"key": "gift-card", "domain": "price"}, 201)
    body = {"entity": "gift-card", "system": "erp", "justification": "The ERP issues them."}
    made = call("piet", "post", "systems-of-record", body | {"valid_from": "2027-01-01T00:00:00Z"}, 201).json()
    change = ChangeRequest.objects.get(pk=made["change"])
    assert (change.kind, change.state) == ("boundary.move", "draft")
    assert change.facts["domain"] == "price", change.facts
    again = call("piet", "post", "systems-of-record", body | {"valid_from": "2027-01-01T00:00:00Z"}, 201).json()
    assert again == made


WRONG_RECORDS: list[tuple[dict[str, Any], str, str]] = [
    ({"entity": "Price", "system": "erp"}, "/entity", "Did you mean price?"),
    ({"entity": "price", "attribute_group": "bse", "system": "erp"}, "/attribute_group", "Did you mean base?"),
    ({"entity": "price", "attribute_group": "base", "system": "ERP"}, "/system", "Did you mean erp?"),
    ({"entity": "price", "attribute_group": "base", "system": "zzz"}, "/system", "Register it first."),
    ({"entity": "price", "scope": {"planet": "mars"}, "system": "erp"}, "/scope/planet", "banner, region, channel"),
]


@pytest.mark.parametrize(("body", "pointer", "words"), WRONG_RECORDS)
def test_names_of_a_record_that_do_not_exist_are_said_with_the_nearest(
    body: dict[str, Any], pointer: str, words: str
) -> None:
    refused = call("piet", "post", "systems-of-record", body | {"justification": "Why not."}, 422).json()
    assert [one["pointer"] for one in refused["findings"]] == [pointer], refused
    assert words in refused["findings"][0]["message"]
    assert not ChangeRequest.objects.exists()


def test_the_record_of_today_and_one_that_begins_later_are_in_the_way() -> None:
    call("ada", "post", "entities", {"key": "gift-card"}, 201)
    document = {"blueprint": 1, "boundaries": [{"entity": "gift-card", "system": "erp", "from": "2030-01-01"}]}
    make.build(document)
    body = {"entity": "gift-card", "system": "pos", "justification": "They do."}
    refused = call("piet", "post", "systems-of-record", body, 422).json()
    assert refused["findings"][0]["code"] == "boundary.overlap"
    assert "erp is the record from 2030-01-01" in refused["findings"][0]["message"]
    after = call("piet", "post", "systems-of-record", body | {"valid_from": "2030-06-01T00:00:00Z"}, 201)
    assert after.json()["change"]
    same = body | {"system": "erp", "valid_from": "2030-06-01T00:00:00Z"}
    assert call("piet", "post", "systems-of-record", same, 422).json()["findings"][0]["code"] == "boundary.same"


def test_what_was_made_by_page_outlives_a_blueprint_and_what_the_blueprint_says_counts_and_is_told() -> None:
    body = {"key": "wms", "name": "Warehouse", "owner_team": "pricing", "vendor": "Example", "kind": "wms"}
    call("piet", "post", "systems", body, 201)
    call("ada", "post", "entities", {"key": "gift-card", "attribute_groups": [{"key": "balance"}]}, 201)
    make.build()
    assert System.objects.get(key="wms").vendor == "Example"
    assert BusinessEntity.objects.get(key="gift-card").attribute_groups.count() == 1
    document = {
        "blueprint": 1,
        "systems": [{"key": "wms", "kind": "storage"}],
        "entities": [{"key": "gift-card", "attribute_groups": ["terms"]}],
    }
    report = make.build(document)
    system = System.objects.get(key="wms")
    assert (system.kind, system.vendor, system.owner_team.key) == ("storage", "Example", "pricing")
    assert {one.key for one in BusinessEntity.objects.get(key="gift-card").attribute_groups.all()} == {
        "balance",
        "terms",
    }
    assert ("changed", "system", "wms", "kind: wms → storage") in report.lines
    call("piet", "patch", "systems/wms", {"kind": "warehouse"}, **{"If-Match": "*"})
    kept = blueprint.apply(document, actor=None, keeps=True)
    assert ("kept", "system", "wms", "somebody else changed kind") in kept.lines
    assert System.objects.get(key="wms").kind == "warehouse"


def test_the_command_keeps_what_somebody_else_changed_where_it_is_told_to(tmp_path: Path) -> None:
    call("piet", "post", "systems", {"key": "wms", "owner_team": "pricing", "kind": "wms"}, 201)
    path = tmp_path / "blueprint.yaml"
    path.write_text("blueprint: 1\nsystems: [{key: wms, kind: storage}]\n")
    out = io.StringIO()
    call_command("apply_blueprint", path, stdout=out)
    assert "changed    system wms kind: wms → storage" in out.getvalue()
    call("piet", "patch", "systems/wms", {"kind": "warehouse"}, **{"If-Match": "*"})
    out = io.StringIO()
    call_command("apply_blueprint", path, keep=True, stdout=out)
    assert "kept       system wms somebody else changed kind" in out.getvalue()
    assert System.objects.get(key="wms").kind == "warehouse"


def test_a_blueprint_whose_text_is_longer_than_its_column_is_a_finding() -> None:
    document = {"blueprint": 1, "systems": [{"key": "wms", "kind": "k" * 60}], "environments": [{"key": "e" * 60}]}
    with pytest.raises(Invalid) as refused:
        make.build(document)
    assert {one["pointer"] for one in refused.value.findings} == {"/systems/0/kind", "/environments/0"}


# -- pages -------------------------------------------------------------------------------------------------------------
def posted(username: str, path: str, form: dict[str, str], **headers: str) -> Any:
    return make.client(username).post(path, form, headers=headers)


def test_a_system_is_registered_and_edited_on_its_pages() -> None:
    client = make.client("piet")
    assert "Register a system" in client.get("/catalog/systems/").content.decode()
    answer = client.post("/catalog/systems/add/", {"key": "wms", "name": "Warehouse", "owner_team": "pricing"})
    assert answer["Location"] == "/catalog/systems/wms/"
    page = client.get("/catalog/systems/wms/edit/")
    seen = page.context["form"].initial["seen"]
    form = {"name": "Warehouse", "owner_team": "pricing", "vendor": "Example"}
    assert client.post("/catalog/systems/wms/edit/", form | {"seen": seen}).status_code == 302
    assert System.objects.get(key="wms").vendor == "Example"
    stale = client.post("/catalog/systems/wms/edit/", form | {"seen": seen, "vendor": "Other"})
    assert stale.status_code == 422
    assert "Somebody changed it meanwhile" in stale.content.decode()
    assert posted("stan", "/catalog/systems/wms/edit/", form | {"seen": ""}).status_code == 422


def test_an_entity_is_registered_on_its_page_and_leads_to_the_proposal_of_its_record() -> None:
    client = make.client("piet")
    form = {"key": "gift-card", "name": "Gift card", "domain": "price", "attribute_groups": "balance\nterms"}
    answer = client.post("/catalog/entities/add/", form)
    assert answer["Location"] == "/systems-of-record/propose/?entity=gift-card"
    assert "Gift card" in client.get("/catalog/entities/").content.decode()
    page = client.get(answer["Location"])
    assert page.context["form"].initial["entity"] == "gift-card"
    sent = {"entity": "gift-card/terms", "system": "erp", "justification": "The ERP has them."}
    opened = client.post("/systems-of-record/propose/", sent)
    change = ChangeRequest.objects.get()
    assert opened["Location"] == f"/changes/{change.pk}/"
    assert change.subjects.get().subject_id == "gift-card/terms"
    edited = client.get("/catalog/entities/gift-card/edit/")
    form |= {"seen": edited.context["form"].initial["seen"], "aliases": "voucher"}
    assert client.post("/catalog/entities/gift-card/edit/", form).status_code == 302
    assert BusinessEntity.objects.get(key="gift-card").aliases == ["voucher"]


@pytest.mark.parametrize(
    ("path", "select", "form"),
    [
        ("/catalog/systems/add/", "id_system", {"key": "wms", "name": "Ware<b>house", "owner_team": "pricing"}),
        ("/catalog/entities/add/", "id_more_entity", {"key": "gift-card", "name": "Gift card", "domain": "price"}),
    ],
)
def test_what_a_select_does_not_have_is_registered_in_place_and_chosen(
    path: str, select: str, form: dict[str, str]
) -> None:
    client = make.client("piet")
    asked = client.get(f"{path}?select={select}", headers={"HX-Request": "true"}).content.decode()
    assert "<form" in asked
    assert "<html" not in asked
    assert 'id="id_' not in asked, "no id twice on the page of the other form"
    refused = client.post(f"{path}?select={select}", form | {"key": "A B"}, headers={"HX-Request": "true"})
    assert refused.status_code == 200
    assert "is no key" in refused.content.decode()
    made = client.post(f"{path}?select={select}", form, headers={"HX-Request": "true"}).content.decode()
    assert f'id="{select}"' in made
    assert 'hx-swap-oob="true"' in made
    assert f'<option value="{form["key"]}" selected>' in made
    assert "<b>" not in made
    assert posted("piet", f"{path}?select=id_other", form, **{"HX-Request": "true"}).status_code == 422, "taken"


def test_the_forms_of_an_api_lead_to_what_their_lists_lack() -> None:
    page = make.client("piet").get("/catalog/apis/price-api/edit/").content.decode()
    assert 'hx-get="/catalog/systems/add/?select=id_system"' in page
    assert 'href="/catalog/systems/add/"' in page, "also without a script"
    assert page.index('id="in-place"') < page.index('id="id_system"')


def test_the_list_of_systems_asks_the_same_number_of_times_however_many_there_are() -> None:
    client = make.client("stan")
    with CaptureQueriesContext(connection) as few:
        client.get("/catalog/systems/")
    for number in range(20):
        System.objects.create(key=f"more-{number}", name=f"More {number}")
    with CaptureQueriesContext(connection) as many:
        client.get("/catalog/systems/")
    assert len(many) == len(few)
