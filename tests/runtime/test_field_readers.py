"""Which deployed integrations use a field of a contract, and what another contract does to them: asked of the check of
a change, and of what is deployed at that moment."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from catalog.models import ApiVersion
from catalog.selectors import versions
from catalog.services import contracts, version_changes
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.selectors import told_changes
from governance.services import approvals, changes, checks, policies
from kernel import clock, outbox
from kernel.digest import digest_of
from kernel.viewer import SYSTEM, Viewer
from runtime.models import Deployment, Release
from runtime.services import deployments, field_readers, integrations
from tests.catalog import make as catalog
from tests.governance.make import POLICY
from tests.governance.raw_sql import beneath_guards
from tests.runtime import scene

pytestmark = pytest.mark.django_db
PRICE = "/components/schemas/Price"


def contract(schema: dict[str, Any], **others: Any) -> bytes:
    answer = {"description": "ok", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Price"}}}}
    get = {"operationId": "getPrice", "summary": "s", "tags": ["prices"], "responses": {"200": answer}}
    document = {
        "openapi": "3.0.3",
        "info": {"title": "Price", "version": "2.0", "description": "d"},
        "paths": {"/prices": {"get": get}},
        "components": {"schemas": {"Price": schema, **others}},
    }
    return json.dumps(document).encode()


BEFORE: dict[str, Any] = {
    "type": "object",
    "required": ["sku", "amount", "currency"],
    "properties": {
        "sku": {"type": "string"},
        "amount": {"type": "string"},
        "currency": {"type": "string"},
        "note": {"type": "string"},
        "offers": {"type": "array", "items": {"$ref": "#/components/schemas/Offer"}},
    },
}
OFFER = {"type": "object", "properties": {"code": {"type": "string"}, "text": {"type": "string"}}}


def without(name: str) -> dict[str, Any]:
    made = copy.deepcopy(BEFORE)
    made["properties"].pop(name)
    made["required"] = [one for one in made["required"] if one != name]
    return made


def manifest(fields: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    source = {
        "name": "prices",
        "system": "price-engine",
        "api": "price-api@v2",
        "contract": "current",
        "schema": PRICE,
        **more.pop("source", {}),
    }
    target = {
        "name": "store",
        "system": "pos",
        "idempotency": "N",
        "table": {"name": "store_price", "key": ["id"]},
        "writes": [{"entity": "price", "attribute_group": "base", "kind": "replica"}],
        "mapping": {"mapping": "m", "version": "1", "fields": fields or [FIELD]},
        **more.pop("target", {}),
    }
    return {
        "integration": "prices-to-stores",
        "title": "Prices to stores",
        "domain": "price",
        "owner": "pricing",
        "tier": 2,
        "lanes": 1,
        "sources": [source],
        "event": {"name": "price", "meaning": "fact", "key": "/sku"},
        "targets": [target],
        **more,
    }


FIELD = {"to": "id", "from": "sku", "type": "string", "required": True}
OFFERS = {"to": "offers", "from": "offers", "each": [{"to": "code", "from": "code", "type": "string"}]}
AMOUNT = {"to": "amount", "from": "amount", "type": "decimal", "scale": 2, "required": True}


@pytest.fixture(autouse=True)
def estate() -> None:
    policies_and_contract()


def policies_and_contract() -> None:
    catalog.estate()
    policies.install(level="organisation", document=POLICY | {"rights_rest_hours": 0}, actor=None)
    take(contract(BEFORE, Offer=OFFER))


def take(content: bytes) -> None:
    """Give the published version a contract, below what a change would have to ask for."""
    stored = contracts.store(contracts.read_contract(content, file_name="price.json"))
    with beneath_guards():
        ApiVersion.objects.filter(api__slug="price-api", label="v2").update(contract=stored)


def deploy(data: dict[str, Any]) -> Release:
    made = integrations.register(integrations.pinned(data), actor=None)
    approval = scene.approve(made.integration.key, made.digest)
    Deployment.objects.create(
        integration=made.integration, release=made, environment="production", approval_id=approval
    )
    return made


def proposed(content: bytes) -> ChangeRequest:
    """A change of the contract of the published version, with its checks done."""
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v2", content=content, file_name="price.json"
    )
    found = versions.by_reference("price-api@v2")
    assert found is not None
    assert found.proposed_digest is not None
    return asked("contract.change", Subject("version", "price-api@v2", found.proposed_digest))


def asked(kind: str, subject: Subject) -> ChangeRequest:
    change = changes.open_change(
        author=catalog.person("piet"),
        kind=kind,
        subjects=[subject],
        environment="production",
        title=kind,
        justification="It is time.",
        rollback_plan="The previous state is put back by a change.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=30),
        parameters={},
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def found(change: ChangeRequest) -> tuple[str, list[tuple[str, str, str]]]:
    """The word of the check, and rule, level and pointer of its findings."""
    row = change.check_results.get(check_id="flow.readers", revision=change.revision)
    return row.status, [(one["rule"], one["level"], one["pointer"]) for one in row.findings]


def messages(change: ChangeRequest) -> str:
    row = change.check_results.get(check_id="flow.readers", revision=change.revision)
    return " ".join(one["message"] for one in row.findings)


def test_a_removed_field_names_the_flow_that_reads_it():
    release = deploy(manifest())
    change = proposed(contract(without("sku"), Offer=OFFER))
    assert found(change) == ("failed", [("flow.field_removed", "error", f"{PRICE}/properties/sku")])
    said = messages(change)
    assert f"Prices to stores (release {release.digest[7:15]}, runs in production) reads `sku`, which is gone" in said
    assert "store: id" in said
    assert "prices: key" in said, "the event's key is read, too"


def test_a_field_that_no_flow_reads_is_removed_without_a_word():
    deploy(manifest())
    assert found(proposed(contract(without("note"), Offer=OFFER))) == ("passed", [])


def test_without_a_deployed_flow_the_check_passes_and_says_what_it_looked_at():
    change = proposed(contract(without("sku"), Offer=OFFER))
    assert found(change) == ("passed", [])
    assert change.check_results.get(check_id="flow.readers").why.startswith("No field that a deployed or approved")


def test_a_release_that_was_registered_and_never_approved_reads_nothing():
    integrations.register(integrations.pinned(manifest()), actor=None)
    assert found(proposed(contract(without("sku"), Offer=OFFER)))[0] == "passed"


def test_a_removed_parent_is_one_finding_that_names_what_was_below_it():
    deploy(manifest([FIELD, OFFERS]))
    change = proposed(contract(without("offers"), Offer=OFFER))
    assert found(change) == ("failed", [("flow.field_removed", "error", f"{PRICE}/properties/offers")])
    assert "`offers`, which is gone, and with it `offers[].code`" in messages(change)


def test_a_renamed_parent_is_a_removed_one():
    deploy(manifest([FIELD, OFFERS]))
    renamed = without("offers")
    renamed["properties"]["deals"] = BEFORE["properties"]["offers"]
    assert found(proposed(contract(renamed, Offer=OFFER)))[1] == [
        ("flow.field_removed", "error", f"{PRICE}/properties/offers")
    ]


def test_a_field_in_the_elements_of_a_list_behind_a_reference_is_found():
    deploy(manifest([FIELD, OFFERS]))
    inner = {"type": "object", "properties": {"text": {"type": "string"}}}
    change = proposed(contract(BEFORE, Offer=inner))
    assert found(change)[1] == [("flow.field_removed", "error", "/components/schemas/Offer/properties/code")]


def test_a_condition_reads_and_so_does_a_sum():
    counted = {"to": "n", "formula": "count(offers[])", "type": "integer"}
    deploy(manifest([FIELD, counted], target={"when": "currency == 'EUR'"}))
    both = without("currency")
    both["properties"].pop("offers")
    change = proposed(contract(both, Offer=OFFER))
    assert {pointer for _, _, pointer in found(change)[1]} == {
        f"{PRICE}/properties/currency",
        f"{PRICE}/properties/offers",
    }
    assert "store: condition" in messages(change)


def test_a_field_that_changed_its_type_is_told_in_the_words_of_the_mapping():
    deploy(manifest([FIELD, AMOUNT]))
    changed = copy.deepcopy(BEFORE)
    changed["properties"]["amount"] = {"type": "boolean"}
    change = proposed(contract(changed, Offer=OFFER))
    assert found(change) == ("failed", [("flow.field_changed", "error", f"{PRICE}/properties/amount")])
    assert "amount is boolean in the source contract and cannot be read as decimal" in messages(change)


def test_what_may_be_missing_now_warns_and_does_not_block():
    deploy(manifest())
    changed = copy.deepcopy(BEFORE)
    changed["properties"]["sku"] = {"type": "string", "nullable": True}
    assert found(proposed(contract(changed, Offer=OFFER))) == (
        "passed",
        [("flow.field_changed", "warning", f"{PRICE}/properties/sku")],
    )


def test_a_schema_that_has_another_name_is_followed_and_one_that_is_gone_is_told():
    deploy(manifest())
    document = json.loads(contract(BEFORE, Offer=OFFER))
    document["components"]["schemas"]["Amount"] = document["components"]["schemas"].pop("Price")
    told = json.dumps(document).replace("#/components/schemas/Price", "#/components/schemas/Amount").encode()
    assert found(proposed(told))[0] == "passed"
    document["paths"]["/prices"]["get"]["responses"]["200"].pop("content")
    assert found(proposed(json.dumps(document).encode())) == ("failed", [("flow.schema_removed", "error", PRICE)])


def approved(release: Release, data: dict[str, Any]) -> None:
    """Another release that nobody could register today, approved."""
    made = Release.objects.create(integration=release.integration, digest=digest_of(data), manifest=data, tier=2)
    made.pins.create(role="source prices", reference="price-api@v2", version_id=release.pins.get().version_id)
    scene.approve("prices-to-stores", made.digest)


def test_an_operation_that_is_gone_takes_the_fields_of_its_messages_with_it():
    deploy(manifest())
    document = json.loads(contract(BEFORE, Offer=OFFER))
    document["paths"]["/other"] = document["paths"].pop("/prices")
    assert found(proposed(json.dumps(document).encode()))[0] == "passed", "they come from elsewhere"
    document["paths"]["/other"]["get"]["responses"] = {"204": {"description": "nothing"}}
    change = proposed(json.dumps(document).encode())
    assert found(change) == ("failed", [("flow.schema_removed", "error", PRICE)])


@pytest.mark.parametrize("schema", ["", "/components/schemas/Missing"])
def test_a_flow_whose_fields_are_not_known_never_passes_a_breaking_change(schema: str):
    release = deploy(manifest())
    approved(release, release.manifest | {"sources": [release.manifest["sources"][0] | {"schema": schema}]})
    change = proposed(contract(without("note"), Offer=OFFER))
    assert found(change) == ("failed", [("flow.unreadable", "error", "")])
    assert "Which fields Prices to stores" in messages(change)


def test_a_mapping_that_cannot_be_read_never_passes_a_breaking_change():
    release = deploy(manifest())
    broken = copy.deepcopy(release.manifest)
    broken["targets"][0]["mapping"] = {"mapping": "m", "version": "1", "fields": [{"to": "id", "from": "]"}]}
    approved(release, broken)
    assert found(proposed(contract(without("note"), Offer=OFFER))) == ("failed", [("flow.unreadable", "error", "")])


@pytest.mark.django_db(transaction=True)
def test_a_redeployment_is_what_counts_and_an_approved_release_counts_before_it_runs():
    version = versions.by_reference("price-api@v2")
    assert version is not None

    def readers() -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        flows = field_readers.of_version(SYSTEM, version)
        return [(flow.release.digest, flow.release.runs_in, flow.release.approved_in) for flow in flows]

    def put_live(release: Release) -> None:
        subject = Subject("integration", "prices-to-stores", release.digest)
        approval = approvals.require(subject, release.digest, "production")
        deployments.deploy("prices-to-stores", approval=approval, actor=None)

    made = []
    for fields in ([FIELD, AMOUNT], [FIELD]):
        made.append(integrations.register(integrations.pinned(manifest(fields)), actor=None))
        scene.approve("prices-to-stores", made[-1].digest)
        running = [(one.digest, ("production",), ()) for one in made[:-1]]
        assert readers() == [*running, (made[-1].digest, (), ("production",))]
        put_live(made[-1])
        assert readers() == [(made[-1].digest, ("production",), ())]
    assert found(proposed(contract(without("amount"), Offer=OFFER)))[0] == "passed"
    change = proposed(contract(without("sku"), Offer=OFFER))
    everything_told()
    assert found(change)[0] == "failed"
    deployments.retire("prices-to-stores", "production", reason="The stores are closed.", actor=None)
    assert readers() == [], "neither release runs, and none waits to be deployed for the first time"
    everything_told()
    assert found(change)[0] == "passed", "the end of a deployment is told to open changes"


def everything_told() -> None:
    while outbox.dispatch():
        pass


@pytest.mark.django_db(transaction=True)
def test_the_checks_of_an_open_change_run_again_when_a_flow_is_deployed():
    change = proposed(contract(without("sku"), Offer=OFFER))
    everything_told()
    assert found(change)[0] == "passed"
    release = integrations.register(integrations.pinned(manifest()), actor=None)
    scene.approve("prices-to-stores", release.digest)
    approval = approvals.require(
        Subject("integration", "prices-to-stores", release.digest), release.digest, "production"
    )
    deployments.deploy("prices-to-stores", approval=approval, actor=None)
    everything_told()
    assert found(change)[0] == "failed"


def test_beside_a_version_that_lives_on_a_removed_field_only_warns():
    deploy(manifest())
    version_changes.revise_contract(
        actor=catalog.person("piet"),
        reference="price-api@v3",
        content=contract(without("sku"), Offer=OFFER),
        file_name="price.json",
    )
    subject = Subject("version", "price-api@v3", versions.by_reference("price-api@v3").contract_digest)
    change = asked("version.publish", subject)
    assert found(change) == ("passed", [("flow.field_removed", "warning", f"{PRICE}/properties/sku")])


def test_a_version_that_a_flow_uses_is_not_retired_without_a_word():
    deploy(manifest())
    version = versions.by_reference("price-api@v2")
    assert version is not None
    change = asked("version.retire", Subject("version", "price-api@v2", version.contract_digest or ""))
    assert found(change) == ("failed", [("flow.version_retired", "error", "")])
    assert "reads 1 field of price-api@v2; it stops when the version is retired." in messages(change)


def test_who_may_not_see_the_flow_is_told_the_place_and_neither_its_name_nor_its_fields():
    deploy(manifest())
    change = proposed(contract(without("sku"), Offer=OFFER))
    told = {}
    for name in ("piet", "stan"):
        results = change.check_results.filter(revision=change.revision)
        told[name] = [
            row
            for row in told_changes.checks(change, results, Viewer.of(catalog.person(name)))
            if row.check_id == "flow.readers"
        ]
    assert "Prices to stores" in told["piet"][0].findings[0]["message"]
    assert told["stan"][0].findings == [
        {
            "rule": "flow.field_removed",
            "level": "error",
            "pointer": f"{PRICE}/properties/sku",
            "message": told_changes.HIDDEN_FLOW,
        }
    ]
    assert "Prices to stores" not in told["stan"][0].why
    seen = told_changes.messages(told["piet"][0].findings, Viewer.of(catalog.person("stan")))
    assert seen == [told_changes.HIDDEN_FLOW], "a waiver says no more than the check"
