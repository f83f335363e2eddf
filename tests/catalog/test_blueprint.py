"""The blueprint: applied twice it changes nothing, and one mistake undoes everything."""

from __future__ import annotations

import pytest

from catalog.models import Api, ApiVersion, Boundary, Team
from catalog.selectors import versions
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
