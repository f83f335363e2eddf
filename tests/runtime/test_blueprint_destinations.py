"""A blueprint that says that a system answers elsewhere opens the change that pages and the API open; where nothing
approved runs over it, it writes. Either way the ledger says who ran it, and a secret is named by the rules of names."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import System, SystemEndpoint
from catalog.services import blueprint, endpoints
from catalog.services.blueprint.writer import BlueprintReport
from governance.models import ChangeRequest
from governance.services import applying, changes, checks
from kernel import acting, clock
from kernel.errors import Invalid
from kernel.models import AuditEntry, User
from runtime.models import Release
from runtime.services import deployments
from tests.governance.make import ROLES, person, team
from tests.runtime.test_destination_changes import decide
from tests.runtime.test_destinations import ELSEWHERE, FEED, permitted, release, shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["release"]
SHOP = {"key": "shop", "name": "Shop"}
SAID: dict[str, Any] = {
    "base_url": ELSEWHERE,
    "auth_kind": "bearer",
    "secret_ref": "env:TILLGATE_SECRET_SHOP",
    "further_hosts": ["https://login.example.com:8443"],
    "trust_ref": "env:TILLGATE_SECRET_SHOP_CERTIFICATES",
}


@pytest.fixture(autouse=True)
def people(release: Release) -> None:
    for key in ROLES:
        team(key, kind="role")
    for name, of in (("ada", "order-team"), ("olaf", "order-team"), ("sue", "security"), ("archie", "architects")):
        person(name, of)


def applied(actor: User | None, *, dry_run: bool = False, place: str = "production", **said: Any) -> BlueprintReport:
    system = SHOP | {"endpoints": {place: said}}
    return blueprint.apply({"blueprint": 1, "systems": [system]}, actor=actor, dry_run=dry_run)


def lines(report: BlueprintReport) -> list[tuple[str, str]]:
    return [(outcome, note) for outcome, kind, _, note in report.lines if kind == "endpoint"]


def proposals() -> list[ChangeRequest]:
    return list(ChangeRequest.objects.filter(kind="system.destination").order_by("pk"))


def test_every_field_of_an_endpoint_is_tried_here():
    assert set(SAID) == set(endpoints.FIELDS)


@pytest.mark.parametrize("field", SAID)
def test_what_something_approved_runs_over_is_proposed_by_the_blueprint_and_not_written(release: Release, field: str):
    before = endpoints.values_of(shop())
    report = applied(person("ada"), **{field: SAID[field]})
    assert endpoints.values_of(shop()) == before
    assert permitted() == 1
    (change,) = proposals()
    assert (change.author, change.state, change.environment) == (person("ada"), "draft", "production")
    assert change.parameters == {field: SAID[field]}
    assert [(row.kind, row.subject_id) for row in change.subjects.all()] == [("destination", "shop/production")]
    ((outcome, note),) = lines(report)
    assert outcome == "waits"
    assert f"change {change.pk}" in note
    entry = AuditEntry.objects.get(verb="governance.change_opened", subject_id=str(change.pk))
    assert entry.actor == person("ada")
    assert not AuditEntry.objects.filter(verb="catalog.endpoint_changed").exists()


def test_once_it_is_approved_the_endpoint_is_what_the_blueprint_says(release: Release):
    applied(person("ada"), **SAID)
    (change,) = proposals()
    changes.amend(change, actor=person("ada"), **_complete())
    changes.submit(change, actor=person("ada"))
    checks.run_checks(change.pk)
    applying.apply(decide(change, "olaf", "sue", "archie"))
    assert endpoints.values_of(shop()) == SAID
    assert permitted() == 1
    assert lines(applied(person("ada"), **SAID)) == [("unchanged", "")]
    assert len(proposals()) == 1


def test_the_same_blueprint_proposes_once_and_another_one_anew(release: Release):
    first = applied(person("ada"), base_url=ELSEWHERE)
    again = applied(person("olaf"), base_url=ELSEWHERE)
    assert lines(first) == lines(again)
    assert len(proposals()) == 1
    applied(person("olaf"), base_url="http://127.0.0.1:9998")
    assert [change.author for change in proposals()] == [person("ada"), person("olaf")]


@pytest.mark.parametrize("field", SAID)
def test_without_a_person_nothing_is_proposed_and_nothing_written(release: Release, field: str):
    before = endpoints.values_of(shop())
    ((outcome, note),) = lines(applied(None, **{field: SAID[field]}))
    assert (outcome, proposals()) == ("waits", [])
    assert "--as" in note
    assert endpoints.values_of(shop()) == before


def test_a_dry_run_proposes_nothing(release: Release):
    ((outcome, note),) = lines(applied(person("ada"), dry_run=True, base_url=ELSEWHERE))
    assert (outcome, proposals()) == ("waits", [])
    assert "would be proposed" in note


@pytest.mark.parametrize("who", ["ada", None])
@pytest.mark.parametrize("field", SAID)
def test_what_nothing_runs_over_is_written_and_the_ledger_says_by_whom(release: Release, field: str, who: str | None):
    deployments.retire(FEED, "production", reason="over", actor=None)
    was = endpoints.values_of(shop())
    actor = person(who) if who else None
    assert [outcome for outcome, _ in lines(applied(actor, **{field: SAID[field]}))] == ["changed"]
    assert endpoints.values_of(shop()) == was | {field: SAID[field]}
    entry = AuditEntry.objects.get(verb="catalog.endpoint_changed")
    assert (entry.actor, entry.after["way"], entry.after[field]) == (actor, "blueprint", SAID[field])
    assert entry.actor_text
    assert proposals() == []


@pytest.mark.parametrize("live", [True, False], ids=["in use", "not in use"])
@pytest.mark.parametrize("field", ["secret_ref", "trust_ref"])
@pytest.mark.parametrize("named", ["env:DATABASE_URL", "env:ERP", "file:/etc/shadow", "the-secret-itself"])
def test_a_name_that_is_no_secret_of_a_system_is_a_finding(release: Release, live: bool, field: str, named: str):
    if not live:
        deployments.retire(FEED, "production", reason="over", actor=None)
    before = endpoints.values_of(shop())
    with pytest.raises(Invalid) as refused:
        applied(person("ada"), **{field: named})
    assert [found["pointer"] for found in refused.value.findings] == [f"/systems/0/endpoints/production/{field}"]
    assert endpoints.values_of(shop()) == before
    assert proposals() == []


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"base_url": "nowhere"}, "/base_url"),
        ({"base_url": "http://me:secret@h"}, "/base_url"),
        ({"auth_kind": "whatever"}, "/auth_kind"),
        ({"further_hosts": ["a b"]}, "/further_hosts/0"),
        ({"base_url": 7}, "/base_url"),
    ],
)
def test_what_pages_and_the_api_refuse_is_a_finding_of_a_blueprint(
    release: Release, said: dict[str, Any], pointer: str
):
    deployments.retire(FEED, "production", reason="over", actor=None)
    with pytest.raises(Invalid) as refused:
        applied(person("ada"), **said)
    assert [found["pointer"] for found in refused.value.findings] == [f"/systems/0/endpoints/production{pointer}"]


@pytest.mark.parametrize("written", [["production"], "production", {"production": "http://h"}])
def test_endpoints_of_another_shape_are_a_finding(release: Release, written: Any):
    with pytest.raises(Invalid) as refused:
        blueprint.apply({"blueprint": 1, "systems": [{"key": "shop", "name": "S", "endpoints": written}]}, actor=None)
    assert refused.value.findings[0]["pointer"].startswith("/systems/0/endpoints")


def test_a_name_of_before_stays_until_another_one_is_said(release: Release):
    """What is there already is not judged anew with each other field."""
    deployments.retire(FEED, "production", reason="over", actor=None)
    SystemEndpoint.objects.update(secret_ref="env:OF_BEFORE")
    applied(person("ada"), base_url=ELSEWHERE, secret_ref="env:OF_BEFORE")
    assert (shop().base_url, shop().secret_ref) == (ELSEWHERE, "env:OF_BEFORE")
    endpoints.state("shop", "production", {"base_url": "http://127.0.0.1:9"}, actor=person("ada"))
    with pytest.raises(Invalid):
        endpoints.state("shop", "production", {"secret_ref": "env:DATABASE_URL"}, actor=person("ada"))


def test_a_change_to_a_name_that_is_no_secret_fails_its_check(release: Release):
    applied(person("ada"), base_url=ELSEWHERE)
    (change,) = proposals()
    named = {"secret_ref": "env:DATABASE_URL", "trust_ref": "env:PGPASSWORD"}
    changes.amend(change, actor=person("ada"), parameters=named, **_complete())
    changes.submit(change, actor=person("ada"))
    checks.run_checks(change.pk)
    row = change.check_results.get(check_id="destination.sound", revision=change.revision)
    assert row.status == "failed"
    assert {found["pointer"] for found in row.findings} == {"/parameters/secret_ref", "/parameters/trust_ref"}


def test_a_blueprint_of_several_systems_proposes_for_those_alone_that_something_runs_over(release: Release):
    System.objects.create(key="erp", name="ERP")
    systems = [
        {"key": key, "name": key, "endpoints": {"production": {"base_url": ELSEWHERE}}} for key in ("shop", "erp")
    ]
    report = blueprint.apply({"blueprint": 1, "systems": systems}, actor=person("ada"))
    assert [outcome for outcome, _ in lines(report)] == ["waits", "created"]
    assert len(proposals()) == 1


def _complete() -> dict[str, Any]:
    return {
        "rollback_plan": "The old address is put back by a change.",
        "planned_from": clock.now() - timedelta(minutes=1),
        "planned_until": clock.now() + timedelta(days=1),
    }


def _command(path: Path, *options: str) -> str:
    said = io.StringIO()
    path.write_text(json.dumps({"blueprint": 1, "systems": [SHOP | {"endpoints": {"production": SAID}}]}))
    call_command("apply_blueprint", str(path), *options, stdout=said)
    return said.getvalue()


def test_the_command_proposes_in_a_persons_name_and_the_ledger_names_who_ran_it(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(acting, "command", "apply_blueprint")
    assert "With --as a blueprint proposes it." in _command(tmp_path / "estate.yaml")
    said = _command(tmp_path / "estate.yaml", "--as", "ada")
    (change,) = proposals()
    assert f"change {change.pk} proposes it" in said
    entry = AuditEntry.objects.get(verb="governance.change_opened", subject_id=str(change.pk))
    assert entry.actor == person("ada")
    assert entry.actor_text == f"{person('ada')}, named by {acting.system()}"
    assert "by manage.py apply_blueprint" in entry.actor_text


def test_what_the_command_writes_at_once_names_the_person_and_who_ran_it(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deployments.retire(FEED, "production", reason="over", actor=None)
    monkeypatch.setattr(acting, "command", "apply_blueprint")
    _command(tmp_path / "estate.yaml", "--as", "ada")
    for verb in ("catalog.endpoint_changed", "catalog.blueprint_applied"):
        entry = AuditEntry.objects.filter(verb=verb).latest("pk")
        assert (entry.actor, "named by" in entry.actor_text) == (person("ada"), True), entry.actor_text


def test_a_closed_account_names_nobody(release: Release, tmp_path: Path):
    User.objects.filter(username="ada").update(is_active=False)
    with pytest.raises(CommandError, match="closed"):
        _command(tmp_path / "estate.yaml", "--as", "ada")
    with pytest.raises(CommandError, match="nobody called"):
        _command(tmp_path / "estate.yaml", "--as", "adda")
    assert proposals() == []
