"""What a source names no more is retired, or kept as the catalog's own, by choice; a dry run says what the real one
does."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import (
    Api,
    ApiVersion,
    Application,
    Environment,
    ImportedThing,
    ImportRun,
    Subscription,
    System,
    SystemEndpoint,
    Team,
)
from catalog.services import governed_facts, importing
from kernel.errors import Forbidden, Invalid
from kernel.models import AuditEntry
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI, entity, take, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def estate() -> list[dict[str, Any]]:
    return [
        entity("Group", "g1"),
        entity("Domain", "d1"),
        entity("System", "s1"),
        entity("System", "s2"),
        entity("Component", "c1"),
        entity("API", "a1", lifecycle="experimental", definition=OPENAPI % ("a", "a")),
        entity("API", "a2", system="s2", lifecycle="production", definition=OPENAPI % ("b", "b")),
        entity("System", "stays"),
    ]


def all_gone() -> ImportRun:
    take(*estate(), source="shop")
    return take(estate()[-1], source="shop")


def leave(*refs: str, choice: str = "retire", dry_run: bool = False, who: str = "ada") -> ImportRun:
    return importing.leave("shop", refs, choice=choice, actor=make.person(who), dry_run=dry_run)


def rows(run: ImportRun) -> dict[str, tuple[str, str]]:
    return {r.source: (r.outcome, r.code) for r in run.rows.all()}


def test_a_dry_run_says_what_is_retired_and_the_real_run_does_it():
    all_gone()
    dry = leave(dry_run=True)
    assert not System.objects.exclude(retired_at=None).exists()
    real = leave()
    assert (
        rows(dry)
        == rows(real)
        == {
            "group:default/g1": ("changed", "import.retired"),
            "domain:default/d1": ("refused", "import.stays"),
            "system:default/s1": ("changed", "import.retired"),
            "system:default/s2": ("refused", "import.still_used"),
            "component:default/c1": ("changed", "import.retired"),
            "api:default/a1": ("changed", "import.retired"),
            "api:default/a2": ("refused", "import.needs_decision"),
        }
    )
    assert [r.message for r in dry.rows.all()] == [r.message for r in real.rows.all()]
    assert Team.objects.get(key="g1").retired_at
    assert System.objects.get(key="s1").retired_at
    assert Application.objects.get(key="c1").retired_at
    assert ApiVersion.objects.get(api__slug="a1").state == "withdrawn"
    assert ApiVersion.objects.get(api__slug="a2").state == "published"
    assert "a2" in real.rows.get(source="system:default/s2").message
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"catalog.system_retired", "catalog.team_retired", "catalog.application_retired"} <= verbs
    assert {"catalog.version_withdrawn", "catalog.things_left"} <= verbs
    left = {r for o, r, c in told(take(estate()[-1], source="shop")) if c == "import.gone"}
    assert left == {"d1", "s2", "a2"}


def test_only_what_was_chosen_leaves():
    all_gone()
    assert rows(leave("system:default/s1")) == {"system:default/s1": ("changed", "import.retired")}
    assert Team.objects.get(key="g1").retired_at is None


def test_what_is_kept_belongs_to_no_source_and_is_not_listed_again():
    all_gone()
    assert rows(leave("api:default/a2", "domain:default/d1", choice="keep")) == {
        "api:default/a2": ("changed", "import.kept"),
        "domain:default/d1": ("changed", "import.kept"),
    }
    assert ImportedThing.objects.get(key="a2").source == ""
    left = {r for o, r, c in told(take(estate()[-1], source="shop")) if c == "import.gone"}
    assert not left & {"a2", "d1"}
    again = take(estate()[-2], source="till")
    assert told(again)[0][0] == "unchanged"


def test_what_is_named_does_not_leave():
    all_gone()
    run = leave("system:default/stays", "system:default/nothing")
    assert rows(run) == {
        "system:default/stays": ("refused", "import.still_named"),
        "system:default/nothing": ("refused", "import.unknown"),
    }


def test_what_is_in_use_stays_and_says_by_what():
    all_gone()
    SystemEndpoint.objects.create(
        system=System.objects.get(key="s1"), environment=Environment.objects.all()[0], base_url="https://x.example"
    )
    Subscription.objects.filter(state="active").update(application=Application.objects.get(key="c1"))
    make.person("ada").groups.add(Team.objects.get(key="g1").group)
    run = leave("system:default/s1", "component:default/c1", "group:default/g1")
    assert {code for _, code in rows(run).values()} == {"import.still_used"}
    said = {r.source: r.message for r in run.rows.all()}
    assert "endpoint" in said["system:default/s1"]
    assert "subscription" in said["component:default/c1"]
    assert "1 person" in said["group:default/g1"]


def test_an_application_that_runs_somewhere_stays(monkeypatch):
    all_gone()
    monkeypatch.setattr(governed_facts, "_runs_with", [lambda key: {"price-api"} if key == "c1" else set()])
    run = leave("component:default/c1")
    assert rows(run) == {"component:default/c1": ("refused", "import.still_used")}
    assert "price-api" in run.rows.get().message


def test_what_was_retired_comes_back_when_it_is_named_again():
    all_gone()
    leave()
    run = take(*estate(), source="shop")
    back = {r.reference for r in run.rows.all() if "no longer retired" in r.message}
    assert back == {"g1", "s1", "c1"}
    assert System.objects.get(key="s1").retired_at is None
    row = run.rows.get(reference__startswith="a1")
    assert row.code == "import.differs"
    assert "withdrawn" in row.message
    assert {o for o, _, _ in told(take(*estate(), source="shop"))} == {"unchanged"}


def test_architects_choose_and_others_do_not():
    all_gone()
    with pytest.raises(Forbidden):
        leave(who="piet")
    with pytest.raises(Invalid):
        importing.leave("nowhere", [], choice="retire", actor=make.person("ada"))
    with pytest.raises(Invalid):
        leave(choice="burn")


def test_the_page_of_an_import_lets_one_choose_try_and_do():
    listed = all_gone()
    client = make.client("ada")
    page = make.shown(client.get(f"/catalog/imports/{listed.pk}/?outcome=gone"))
    assert "No longer named" in page
    assert 'value="system:default/s1"' in page
    asked = {"ref": ["system:default/s1", "api:default/a2"], "choice": "retire", "dry_run": "on"}
    answer = client.post(f"/catalog/imports/{listed.pk}/leave/", asked)
    assert answer.status_code == 302
    tried = make.shown(client.get(answer.url))
    assert "Would be retired" in tried
    assert System.objects.get(key="s1").retired_at is None
    done = client.post(f"{answer.url}leave/", {"again": "1"})
    assert done.status_code == 302
    assert System.objects.get(key="s1").retired_at
    assert "Retired" in make.shown(client.get(done.url))
    assert make.client("piet").post(f"/catalog/imports/{listed.pk}/leave/", asked).status_code == 403
    assert client.post(f"/catalog/imports/{listed.pk}/leave/", {"choice": "retire"}).status_code == 422


def test_the_page_of_imports_lists_the_sources_with_what_they_name_no_more():
    listed = all_gone()
    page = make.shown(make.client("ada").get("/catalog/imports/"))
    assert f"/catalog/imports/{listed.pk}/?outcome=gone" in page
    assert "7 no longer named" in page
    assert "no longer named" not in make.shown(make.client("piet").get("/catalog/imports/"))


def test_the_api_retires_by_choice_as_well():
    all_gone()
    body = {"source_name": "shop", "refs": ["system:default/s1"], "choice": "retire"}
    client = make.client("ada")
    answer = client.post("/api/v1/imports/leaving", body, content_type="application/json")
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    answer = client.post("/api/v1/imports/leaving", body | {"dry_run": False}, content_type="application/json")
    assert [r["code"] for r in answer.json()["rows"]] == ["import.retired"]
    assert System.objects.get(key="s1").retired_at
    bad = client.post("/api/v1/imports/leaving", body | {"choice": "burn"}, content_type="application/json")
    assert bad.status_code == 422
    other = make.client("piet").post("/api/v1/imports/leaving", body, content_type="application/json")
    assert other.status_code == 403


def test_the_command_lists_tries_and_retires(capsys):
    all_gone()
    call_command("retire_imported", "shop", "--dry-run")
    said = capsys.readouterr().out
    assert "Dry run, nothing kept" in said
    assert "system:default/s1" in said
    call_command("retire_imported", "shop", "system:default/s1", "--as", "ada")
    assert System.objects.get(key="s1").retired_at
    call_command("retire_imported", "shop", "domain:default/d1", "--keep")
    assert ImportedThing.objects.get(key="d1").source == ""
    with pytest.raises(CommandError, match="nowhere"):
        call_command("retire_imported", "nowhere")
    assert Api.objects.filter(slug="a1").exists()
