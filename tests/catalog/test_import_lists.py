"""Lists of APIs: an odd entry costs itself, and none is dropped without a word."""

from __future__ import annotations

import json

import pytest

from catalog.models import Api, ImportRun
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def run(files: dict[str, str], *, source: str = "", dry_run: bool = False) -> ImportRun:
    given = [ImportSource(name, text.encode()) for name, text in files.items()]
    return importing.run(given, actor=None, source="t", source_key=source, dry_run=dry_run)


CENTER = {"type": "Microsoft.ApiCenter/services/workspaces/apis", "name": "good", "properties": {"title": "Good"}}


@pytest.mark.parametrize("odd", [7, None, [], {"properties": {"title": "x"}}, {"type": "Other/kind", "name": "env"}])
@pytest.mark.parametrize("within", ["list", "value"])
def test_an_odd_entry_of_an_export_of_api_center_costs_itself(odd, within):
    entries = [CENTER, odd]
    made = run({"apis.json": json.dumps(entries if within == "list" else {"value": entries})})
    assert [row.outcome for row in made.rows.order_by("source")] == ["created", "refused"]
    assert Api.objects.filter(slug="good").exists()


def test_an_entry_of_api_center_without_a_type_among_others_is_taken():
    made = run({"apis.json": json.dumps([CENTER, {"name": "b4", "properties": {"kind": "rest"}}])})
    assert [row.outcome for row in made.rows.order_by("source")] == ["created", "created"]


GOOD = {"anchor": "https://l.example/good", "service-doc": [{"href": "https://l.example/doc"}]}


@pytest.mark.parametrize(
    ("odd", "outcome"),
    [
        ({}, "refused"),
        (7, "refused"),
        ({"anchor": 7}, "refused"),
        ({"anchor": "/relative"}, "refused"),
        ({"anchor": 7, "status": [{"href": "https://s.example"}]}, "refused"),
        ({"anchor": "https://l.example/cat/", "item": [{"href": "u1"}]}, "refused"),
        ({"anchor": "https://l.example/cat/", "item": ["u1"]}, "refused"),
        ({"anchor": "https://l.example/n", "author": [{"href": "https://a.example"}]}, "refused"),
        ({"anchor": "https://l.example/n"}, "created"),
        ({"anchor": "https://l.example/n", "status": [{"href": "https://s.example"}]}, "created"),
        ({"anchor": "https://l.example/n", "service-meta": [{"href": "https://s.example"}]}, "created"),
        ({"anchor": "https://l.example/cat/", "item": [{"href": "https://l.example/n"}]}, "created"),
    ],
)
def test_no_context_of_a_linkset_is_dropped_without_a_word(odd, outcome):
    made = run({"linkset.json": json.dumps({"linkset": [GOOD, odd]})})
    assert [row.outcome for row in made.rows.order_by("source")] == ["created", outcome]


@pytest.mark.parametrize(
    "context", [{"anchor": "https://l.example/", "api-catalog": [{"href": "https://l.example/c"}]}]
)
def test_a_context_that_lists_others_alone_is_no_api(context):
    made = run({"linkset.json": json.dumps({"linkset": [GOOD, context]})})
    assert [row.outcome for row in made.rows.all()] == ["created"]


def test_an_api_whose_documentation_is_gone_is_still_named():
    run({"linkset.json": json.dumps({"linkset": [GOOD]})}, source="l")
    left = {"anchor": GOOD["anchor"], "status": [{"href": "https://s.example"}]}
    again = run({"linkset.json": json.dumps({"linkset": [left]})}, source="l")
    assert "no longer named" not in " ".join(again.rows.values_list("message", flat=True))


def test_items_of_a_linkset_are_taken_beyond_the_first_two_hundred():
    items = [{"href": f"https://l.example/api{n}"} for n in range(230)]
    made = run(
        {"linkset.json": json.dumps({"linkset": [{"anchor": "https://l.example/", "item": items}]})}, dry_run=True
    )
    assert made.rows.count() == 230
