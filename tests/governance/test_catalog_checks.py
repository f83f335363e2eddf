"""The checks of the catalog on real contracts: each passes, fails and stays not run for its own reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from catalog.models import Api, ApiVersion, Environment, System, SystemEndpoint
from catalog.selectors import versions
from catalog.services import version_changes
from governance.domain.checks import ChangeFacts, Check, CheckContext, CheckOutcome
from governance.domain.subject import Subject
from governance.services.catalog import contract_checks, landscape_checks, lifecycle_checks, subject_facts
from governance.services.gate_evidence import versions as versions_evidence
from kernel import clock
from tests.catalog import make as catalog
from tests.contracts.labelled_pairs import WSDL
from tests.contracts.test_read_graphql import SHOP
from tests.contracts.test_read_soap import XSD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()


def run(
    check: Check, reference: str, *, kind: str = "version.publish", facts: Any = None, **parameters: Any
) -> CheckOutcome:
    subject = Subject("version", reference, "")
    change = ChangeFacts(1, kind, "", "", "", "production", None, None, (subject,), parameters)
    found = subject_facts.version_facts(subject)
    if facts and found:
        found = replace(found, **facts)
    return check.run(CheckContext(change, subject, found, "production", clock.now()))


def rules(outcome: CheckOutcome) -> set[str]:
    return {str(f["rule"]) for f in outcome.findings if f["level"] == "error"}


def revised(reference: str, old: bytes, new: bytes) -> None:
    """Another contract for a draft, by the service of its owners."""
    content = (catalog.ESTATE / "price-v3.yaml").read_bytes()
    assert old in content
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference=reference, content=content.replace(old, new, 1), file_name="price.yaml"
    )


ALL = [
    value
    for module in (contract_checks, landscape_checks, lifecycle_checks)
    for value in vars(module).values()
    if isinstance(value, Check)
]


@pytest.mark.parametrize("check", [c for c in ALL if c.id not in ("boundary.move",)], ids=lambda c: c.id)
def test_no_check_passes_about_something_that_nobody_knows(check: Check):
    outcome = run(check, "nobody@v1")
    assert outcome.status == "not_run"
    assert outcome.why


def test_every_check_has_an_id_of_its_own_and_a_title():
    assert len({c.id for c in ALL}) == len(ALL) - 1, "tier.coherence judges versions and proposed tiers under one rule"
    assert all(c.title for c in ALL)


def test_personal_data_without_encryption_or_a_scheme_fails():
    Api.objects.filter(slug="price-api").update(data_class="personal")
    revised("price-api@v3", b"https://prices", b"http://prices")
    outcome = run(contract_checks.SECURITY, "price-api@v3")
    assert outcome.status == "failed"
    assert "security.clear_text" in rules(outcome)
    assert outcome.fix
    Api.objects.filter(slug="price-api").update(data_class="")
    assert run(contract_checks.SECURITY, "price-api@v3").status == "not_run"
    Api.objects.filter(slug="price-api").update(data_class="internal")
    assert run(contract_checks.SECURITY, "price-api@v3").status == "not_applicable"


def test_a_database_of_a_cloud_system_is_no_interface():
    Api.objects.filter(slug="price-api").update(style="sql", system=System.objects.get(key="erp"))
    outcome = run(landscape_checks.INTEGRATION_STYLE, "price-api@v3")
    assert (outcome.status, rules(outcome)) == ("failed", {"style.unsupported"})
    Api.objects.filter(slug="price-api").update(system=System.objects.get(key="pos"))
    outcome = run(landscape_checks.INTEGRATION_STYLE, "price-api@v3")
    assert outcome.status == "passed"
    assert [f["level"] for f in outcome.findings] == ["warning"]
    Api.objects.filter(slug="price-api").update(system=None)
    assert run(landscape_checks.INTEGRATION_STYLE, "price-api@v3").status == "not_run"


def test_a_style_is_told_with_the_deployment_of_its_system_where_it_is_known():
    System.objects.filter(apis__slug="price-api").update(deployment="")
    assert run(landscape_checks.INTEGRATION_STYLE, "price-api@v3").why == "rest to Price engine."


def test_a_copy_that_claims_to_be_the_record_fails():
    Api.objects.filter(slug="price-api").update(system=System.objects.get(key="erp"), layer="system")
    outcome = run(landscape_checks.RECORD_DIRECTION, "price-api@v3")
    assert (outcome.status, rules(outcome)) == ("failed", {"sor.violation"})
    assert run(landscape_checks.RECORD_DIRECTION, "loyalty-api@v1").status == "passed"


def test_a_checkout_critical_flow_needs_a_correlation_id_and_targets():
    revised("price-api@v3", b"info:", b"x-note: {traceparent: none}\ninfo:")
    assert run(contract_checks.OBSERVABILITY, "price-api@v3").status == "passed"
    Api.objects.filter(slug="price-api").update(tier=None)
    outcome = run(contract_checks.OBSERVABILITY, "price-api@v3")
    assert (outcome.status, rules(outcome)) == ("failed", {"observability.target"})
    assert run(landscape_checks.TIER, "price-api@v3").status == "not_run"


def test_a_consumer_without_an_owner_fails_and_an_unknown_impact_is_not_run():
    assert run(lifecycle_checks.CONSUMERS, "price-api@v2").status == "passed"
    found = subject_facts.version_facts(Subject("version", "price-api@v2", ""))
    assert found
    assert found.consumers_affected
    homeless = (replace(found.consumers_affected[0], team_id=None),)
    assert rules(run(lifecycle_checks.CONSUMERS, "price-api@v2", facts={"consumers_affected": homeless})) == {
        "consumers.owner"
    }
    assert run(lifecycle_checks.CONSUMERS, "price-api@v2", facts={"consumers_affected": None}).status == "not_run"


def test_breaking_differences_fail_where_somebody_lives_on_the_contract_that_changes():
    found = subject_facts.version_facts(Subject("version", "price-api@v3", ""))
    assert found
    replaced = {"base_digest": found.base_digest, "digest": found.digest}
    outcome = run(contract_checks.COMPARISON, "price-api@v3", kind="contract.change", facts=replaced)
    beside = run(contract_checks.COMPARISON, "price-api@v3")
    assert len([f for f in beside.findings if f["breaking"]]) == 2
    assert beside.status == "passed", "v2 lives on beside it"
    assert outcome.status == "failed"
    assert len(rules(outcome)) >= 1
    assert run(contract_checks.COMPARISON, "price-api@v3", facts={"base_digest": None}).status == "not_applicable"
    assert run(contract_checks.COMPARISON, "price-api@v3", facts={"digest": None}).status == "not_run"


def test_an_event_whose_readers_and_writers_cannot_move_apart_fails():
    assert run(contract_checks.UPGRADE_ORDER, "price-api@v3").status == "not_applicable"
    Api.objects.filter(slug="price-api").update(style="event")
    outcome = run(contract_checks.UPGRADE_ORDER, "price-api@v3")
    assert (outcome.status, rules(outcome)) == ("failed", {"order.together"})
    same = subject_facts.version_facts(Subject("version", "price-api@v3", ""))
    assert same
    assert run(contract_checks.UPGRADE_ORDER, "price-api@v3", facts={"base_digest": same.digest}).status == "passed"


def test_a_version_after_its_own_sunset_is_not_published():
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated", deprecated_at="2025-01-01T00:00Z", sunset_at="2026-01-01T00:00Z"
    )
    assert rules(run(lifecycle_checks.SUNSET, "price-api@v2")) == {"sunset.past"}
    assert run(lifecycle_checks.SUNSET, "price-api@v3").status == "not_applicable"
    earlier = run(
        lifecycle_checks.SUNSET, "price-api@v2", kind="version.deprecate", sunset_at="2025-06-01T00:00:00+00:00"
    )
    assert rules(earlier) == {"sunset.earlier"}


@pytest.mark.parametrize("ref", ["common.yaml#/Price", "https://example.com/price.yaml", "#/components/schemas/Absent"])
def test_a_contract_that_was_not_read_whole_is_not_readable(ref: str):
    revised("price-api@v3", b"#/components/schemas/Price", ref.encode())
    outcome = run(contract_checks.CONTRACT_READABLE, "price-api@v3")
    assert (outcome.status, rules(outcome)) == ("failed", {"contract.readable"})
    assert outcome.why == (
        "1 reference of the contract was not followed, so what is there is neither compared nor checked."
    )
    compared = run(contract_checks.COMPARISON, "price-api@v3")
    assert any("was not read" in found["message"] or "leads nowhere" in found["message"] for found in compared.findings)


def test_the_gate_knows_no_relation_of_contracts_that_were_not_read_whole():
    before = versions.by_reference("price-api@v3").contract_digest
    assert versions_evidence.pinned(before, before, clock.now()) == "same"
    revised("price-api@v3", b"{type: number}", b"{$ref: 'common.yaml#/Amount'}")
    after = versions.by_reference("price-api@v3").contract_digest
    assert versions_evidence.pinned(before, after, clock.now()) == "uncompared"
    assert versions_evidence.relation(before, after) == "uncompared"


def linted(content: bytes) -> CheckOutcome:
    Api.objects.filter(slug="price-api").update(data_class="internal", third_party=False)
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v3", content=content, file_name="price.json"
    )
    return run(contract_checks.LINT, "price-api@v3")


def open_operations(count: int) -> bytes:
    """A contract of operations without security."""
    made = {f"/p{n}": {"get": {"responses": {"200": {"description": "x"}}}} for n in range(count)}
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": made}).encode()


def test_a_contract_rule_that_fails_nearly_everywhere_is_one_finding_of_the_check():
    outcome = linted(open_operations(60))
    assert outcome.status == "failed"
    (found,) = [f for f in outcome.findings if f["rule"] == "lint.security-required"]
    assert (found["level"], found["pointer"], found["count"]) == ("error", "", 60)
    assert found["message"].endswith("not so at 60 of 60 operations.")
    assert [place["operation"] for place in found["places"]] == ["GET /p0", "GET /p1", "GET /p10"]
    assert sum(f["count"] for f in outcome.findings if f["level"] == "error") == int(outcome.why.split()[0])
    assert {f["level"] for f in outcome.findings} == {"error", "warning", "info"}
    few = [f for f in linted(open_operations(3)).findings if f["rule"] == "lint.security-required"]
    assert [f["pointer"] for f in few] == ["/paths/~1p0/get", "/paths/~1p1/get", "/paths/~1p2/get"]


def test_a_contract_of_a_third_party_is_reported_on_and_asks_for_nothing():
    assert linted(open_operations(60)).status == "failed"
    system = System.objects.get(key="erp")
    Api.objects.filter(slug="price-api").update(system=system, third_party=None)
    for word, status in ((None, "failed"), (False, "failed"), (True, "passed")):
        System.objects.filter(pk=system.pk).update(third_party=word)
        outcome = run(contract_checks.LINT, "price-api@v3")
        assert outcome.status == status
    assert outcome.why.startswith("A third party's contract, reported on only")
    assert {f["level"] for f in outcome.findings if f["rule"] == "lint.security-required"} == {"warning"}
    Api.objects.filter(slug="price-api").update(third_party=False)
    assert run(contract_checks.LINT, "price-api@v3").status == "failed", "the API's own word counts before its system's"


LANGUAGES = {
    "graphql": (SHOP, "shop.graphql"),
    "wsdl": (WSDL.encode(), "shop.wsdl"),
    "xsd": (XSD, "shop.xsd"),
    "jsonschema": (b'{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}', "shop.json"),
}


def contracted(language: str, **api: Any) -> None:
    content, name = LANGUAGES[language]
    Api.objects.filter(slug="price-api").update(**api)
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v3", content=content, file_name=name
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_language_cannot_say_of_security_is_not_passed_for_lack_of_evidence(language: str):
    contracted(language, data_class="personal", system=None)
    outcome = run(contract_checks.SECURITY, "price-api@v3")
    assert outcome.status == "not_run"
    assert "cannot say how callers are authenticated" in outcome.why
    assert outcome.fix
    system = System.objects.create(key="shop-core", name="Shop core")
    Api.objects.filter(slug="price-api").update(system=system)
    assert run(contract_checks.SECURITY, "price-api@v3").status == "not_run"
    production = Environment.objects.get(key="production")
    endpoint = SystemEndpoint.objects.create(
        system=system, environment=production, base_url="https://shop.example.test", auth_kind="bearer"
    )
    said = run(contract_checks.SECURITY, "price-api@v3")
    assert (said.status, "shop-core is called with bearer" in said.why) == ("passed", True)
    for values, rule in (
        ({"auth_kind": "none"}, "security.endpoint"),
        ({"auth_kind": "basic"}, "security.endpoint"),
        ({"base_url": "http://shop.example.test"}, "security.clear_text"),
    ):
        before = {name: getattr(endpoint, name) for name in values}
        SystemEndpoint.objects.filter(pk=endpoint.pk).update(**values)
        outcome = run(contract_checks.SECURITY, "price-api@v3")
        assert (outcome.status, rules(outcome)) == ("failed", {rule})
        SystemEndpoint.objects.filter(pk=endpoint.pk).update(**before)
    SystemEndpoint.objects.filter(pk=endpoint.pk).update(auth_kind="api_key")
    assert run(contract_checks.SECURITY, "price-api@v3").status == "passed"
    Api.objects.filter(slug="price-api").update(data_class="cardholder")
    assert run(contract_checks.SECURITY, "price-api@v3").status == "failed"


def test_a_service_in_clear_text_fails_whatever_else_is_recorded():
    content = WSDL.replace("https://shop.example.com/orders", "http://shop.example.com/orders").encode()
    Api.objects.filter(slug="price-api").update(data_class="personal")
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v3", content=content, file_name="shop.wsdl"
    )
    assert rules(run(contract_checks.SECURITY, "price-api@v3")) == {"security.clear_text"}


def test_events_without_a_security_scheme_are_no_protected_data():
    content = b"asyncapi: 3.0.0\ninfo: {title: a, version: '1'}\nchannels: {}\n"
    Api.objects.filter(slug="price-api").update(data_class="personal")
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v3", content=content, file_name="a.yaml"
    )
    assert rules(run(contract_checks.SECURITY, "price-api@v3")) == {"security.scheme"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_critical_flow_without_a_place_for_headers_is_traced_by_a_field_or_not_known(language: str):
    contracted(language)
    outcome = run(contract_checks.OBSERVABILITY, "price-api@v3")
    assert outcome.status == "not_run"
    assert "no place for the headers" in outcome.why
    assert outcome.fix
    found = {
        "graphql": SHOP.replace(b"id: ID!", b"id: ID! correlationId: ID", 1),
        "wsdl": WSDL.replace('<xs:element name="number"', '<xs:element name="correlationId"', 1).encode(),
        "xsd": XSD.replace(b'name="sku"', b'name="correlationId"'),
        "jsonschema": b'{"type": "object", "properties": {"correlationId": {"type": "string"}}}',
    }[language]
    name = LANGUAGES[language][1]
    version_changes.revise_contract(
        actor=catalog.person("piet"), reference="price-api@v3", content=found, file_name=name
    )
    assert run(contract_checks.OBSERVABILITY, "price-api@v3").status == "passed"
