"""What comes in is published where its source or who imports says so, and a draft otherwise."""

from __future__ import annotations

import importlib
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.models import ApiVersion, ImportRun, ImportSchedule
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from kernel.errors import Invalid
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI

pytestmark = pytest.mark.django_db
FILES = {
    "adyen/checkout-v71.json": OPENAPI % ("a", "a"),
    "apis.json": '{"name": "x", "specificationVersion": "0.16", "apis": [{"name": "Listed", "properties": '
    '[{"type": "OpenAPI", "url": "beside.json"}]}]}',
    "beside.json": OPENAPI % ("b", "b"),
    "lines.csv": "slug,contract,label,state\nsaid,c.json,v1,Published\nunsaid,d.json,v1,\n",
    "c.json": OPENAPI % ("c", "c"),
    "d.json": OPENAPI % ("d", "d"),
}


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def take(**defaults: str) -> ImportRun:
    files = [ImportSource(name, text.encode()) for name, text in FILES.items()]
    return importing.run(files, actor=None, source="t", source_key="s", defaults=defaults)


def states() -> dict[str, str]:
    return dict(ApiVersion.objects.filter(origin="imported").values_list("api__slug", "state"))


def test_what_says_no_state_is_a_draft_and_stays_one_when_it_comes_again():
    for _ in range(2):
        assert not take().rows.filter(outcome="refused").exists()
        assert states() == {"adyen-checkout": "draft", "listed": "draft", "said": "published", "unsaid": "draft"}


def test_whoever_imports_may_say_that_it_is_published():
    take(state="published")
    assert set(states().values()) == {"published"}
    take()
    assert set(states().values()) == {"published"}, "what is there keeps its state"


def test_another_state_for_all_is_refused_at_once():
    with pytest.raises(Invalid, match="draft, published"):
        take(state="retired")


def test_the_api_the_page_and_the_command_say_it(tmp_path: Path):
    body = {"files": [{"name": "a-v1.json", "content": FILES["c.json"]}], "dry_run": False}
    client = make.client("ada")
    for asked, wanted in (({}, "draft"), ({"new_versions": "published"}, "published")):
        answer = client.post("/api/v1/imports", body | asked, content_type="application/json")
        assert answer.status_code == 202, answer.content
        assert ImportRun.objects.latest("pk").defaults == {"state": wanted}
    assert client.post("/api/v1/imports", body | {"new_versions": "live"}, "application/json").status_code in (400, 422)
    (tmp_path / "b-v1.json").write_text(FILES["d.json"])
    call_command("import_estate", tmp_path, "--state", "published", "--source", "f", stdout=StringIO())
    assert states()["b"] == "published"
    with pytest.raises(CommandError):
        call_command("import_estate", tmp_path, "--state", "retired")


def test_sources_of_every_night_go_on_as_they_were():
    ImportSchedule.objects.create(source="old", kind="folder", location="/x", defaults={"owner_team": "pricing"})
    ImportSchedule.objects.create(source="new", kind="folder", location="/x", defaults={"state": "draft"})
    waiting = ImportRun.objects.create(source="w", state="waiting")
    done = ImportRun.objects.create(source="d", state="done")
    with connection.cursor() as cursor:
        cursor.execute(importlib.import_module("catalog.migrations.0032_state_of_sources")._KEEP)
    assert dict(ImportSchedule.objects.values_list("source", "defaults")) == {
        "old": {"owner_team": "pricing", "state": "published"},
        "new": {"state": "draft"},
    }
    assert dict(ImportRun.objects.filter(pk__in=[waiting.pk, done.pk]).values_list("source", "defaults")) == {
        "w": {"state": "published"},
        "d": {},
    }
