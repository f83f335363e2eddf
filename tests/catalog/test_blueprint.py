"""The blueprint: applied twice it changes nothing, and one mistake undoes everything."""

from __future__ import annotations

import pytest

from catalog.models import Api, ApiVersion, Boundary, Team
from catalog.selectors import systems, versions
from catalog.services import blueprint, publication
from kernel.errors import Invalid
from kernel.models import AuditEntry, User
from tests.catalog import make

pytestmark = pytest.mark.django_db


def test_a_second_application_changes_nothing():
    first = make.build()
    assert first.number("created") > 40
    entries = AuditEntry.objects.count()
    second = make.build()
    assert not second.changed_anything
    assert AuditEntry.objects.count() == entries


def test_a_dry_run_reports_the_same_and_keeps_nothing():
    report = blueprint.apply(make.blueprint(), actor=None, dry_run=True, base_dir=make.ESTATE)
    assert report.number("created") == make.build().number("created")
    document = make.blueprint()
    document["apis"].append({"slug": "new", "name": "New"})
    assert blueprint.apply(document, actor=None, dry_run=True, base_dir=make.ESTATE).number("created", "api") == 1
    assert not Api.objects.filter(slug="new").exists()


def test_only_what_differs_is_changed_and_recorded():
    make.estate()
    document = make.blueprint()
    document["apis"][0]["purpose"] = "Another sentence."
    report = make.build(document)
    assert [line[:3] for line in report.lines if line[0] == "changed"] == [("changed", "api", "price-api")]
    entry = AuditEntry.objects.filter(verb="catalog.api_changed").get()
    assert entry.after == {"purpose": "Another sentence."}


def test_every_mistake_is_named_by_its_place_and_nothing_is_kept():
    document = make.blueprint()
    document["apis"][0]["owner_team"] = "nobody"
    document["apis"][1]["versions"][0]["contract"] = "../../../etc/passwd"
    document["tiers"][0]["rules"]["notice_days"] = "many"
    document["boundaries"].append({"entity": "price", "system": "erp", "from": "2026-06-01"})
    document["people"].append({"username": ""})
    document["surprise"] = []
    with pytest.raises(Invalid) as caught:
        make.build(document)
    pointers = {f["pointer"] for f in caught.value.findings}
    assert {
        "/apis/0/owner_team",
        "/apis/1/versions/0/contract",
        "/tiers/0/rules/notice_days",
        "/boundaries/4",
        "/people/6/username",
        "/surprise",
    } <= pointers
    assert not Team.objects.exists()
    assert not User.objects.exists()


def test_what_a_decision_has_moved_is_kept_and_reported():
    make.estate()
    facts = versions.by_reference("price-api@v3")
    publication.submit_for_review(facts.id)
    publication.publish(facts.id, contract_digest=facts.contract_digest, approval_id=1, actor=None)
    report = make.build()
    assert [(kind, key) for outcome, kind, key, _ in report.lines if outcome == "kept"] == [("version", "price-api@v3")]
    assert ApiVersion.objects.get(api__slug="price-api", label="v3").state == "published"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {},
        {"blueprint": 2},
        {"blueprint": 1, "apis": "x"},
        {"blueprint": 1, "apis": [1]},
        {"blueprint": 1, "apis": [{"slug": []}]},
        {"blueprint": 1, "systems": [{"key": "a", "endpoints": {"moon": 1}}]},
    ],
)
def test_what_is_no_blueprint_is_refused(document):
    with pytest.raises(Invalid):
        blueprint.apply(document, actor=None)
    assert not Boundary.objects.exists()


@pytest.mark.parametrize("successor", ["loyalty-api@v1", "price-api@v1", "v1"])
def test_a_successor_is_another_version_of_the_same_api(successor: str):
    """A label alone is one of the API's own; one of another API was taken for the own version of that label."""
    make.estate()
    document = make.blueprint()
    document["apis"][0]["versions"] = [
        {"label": "v1", "state": "retired", "contract": document["apis"][0]["versions"][0]["contract"]}
        | {"successor": successor}
    ]
    with pytest.raises(Invalid) as caught:
        make.build(document)
    assert "/apis/0/versions/0/successor" in {f["pointer"] for f in caught.value.findings}


def test_further_hosts_of_a_system_are_registered_with_its_address_in_one_spelling():
    document = make.blueprint()
    system = next(item for item in document["systems"] if item.get("endpoints"))
    environment, endpoint = next(iter(system["endpoints"].items()))
    endpoint["further_hosts"] = ["Upload.example.com:443", "https://login.example.com:8443", "upload.example.com"]
    endpoint["trust_ref"] = "file:store-ca.pem"
    make.build(document)
    facts = systems.endpoint(system["key"], environment)
    assert facts.further_hosts == ("https://login.example.com:8443", "https://upload.example.com")
    assert facts.trust_ref == "file:store-ca.pem"
    entry = AuditEntry.objects.get(verb="catalog.endpoint_declared", subject_id=f"{system['key']}/{environment}")
    assert entry.after["further_hosts"] == list(facts.further_hosts)
    assert not make.build(document).changed_anything


def test_a_further_host_that_is_none_is_named_by_its_place():
    document = make.blueprint()
    at, system = next((n, item) for n, item in enumerate(document["systems"]) if item.get("endpoints"))
    environment, endpoint = next(iter(system["endpoints"].items()))
    endpoint["further_hosts"] = ["login.example.com", "0x7f.1", "https://a.example/path"]
    with pytest.raises(Invalid) as caught:
        make.build(document)
    place = f"/systems/{at}/endpoints/{environment}/further_hosts"
    assert [found["pointer"] for found in caught.value.findings] == [f"{place}/1", f"{place}/2"]
