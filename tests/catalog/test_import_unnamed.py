"""What cannot be read hides names, so that nothing is said to be gone; what is named twice is told once, with both
places, and an import of the same bytes rests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.models import Api, ImportRun
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI, entity

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def take(files: dict[str, str], source: str = "shop") -> ImportRun:
    given = [ImportSource(name, text.encode()) for name, text in files.items()]
    return importing.run(given, actor=None, source="t", source_key=source)


def backstage(*entities: dict[str, Any]) -> str:
    return "\n---\n".join(json.dumps({"apiVersion": "backstage.io/v1alpha1", **one}) for one in entities)


def apis(*names: str, **more: Any) -> str:
    listed = [{"name": name, "baseURL": f"https://x.example/{name}"} for name in names]
    return json.dumps({"name": "x", "specificationVersion": "0.16", "apis": [*listed, *more.get("odd", [])]})


def linkset(*names: str, odd: list[Any] | None = None) -> str:
    listed = [{"anchor": f"https://x.example/{n}", "service-doc": [{"href": "https://x.example/d"}]} for n in names]
    return json.dumps({"linkset": [*listed, *(odd or [])]})


ODCS = """apiVersion: v3.0.2
kind: DataContract
id: dc-1
name: dc one
version: 1.0.0
status: active
schema: [{name: t, properties: [{name: a, logicalType: string}]}]
"""
CSV = "slug,name,purpose,label\ncsv-a,A,Aaa,v1\ncsv-b,B,Bbb,v1\n"
GOOD = {
    "apis.json": apis("one", "two"),
    "api-catalog": linkset("three", "four"),
    "o.odcs.yaml": ODCS,
    "more.csv": CSV,
    "catalog-info.yaml": backstage(entity("Group", "g-one"), entity("System", "s-one")),
    "stays/pay-v1.json": OPENAPI % ("p", "p"),
}
BROKEN = {
    "a list that is cut off": ("apis.json", '{"apis": ['),
    "an object for a list": ("apis.json", '{"apis": {"a": 1}}'),
    "an empty list file": ("apis.json", ""),
    "an odd entry in a list": ("apis.json", apis("one", odd=[{"nmae": "two"}])),
    "a number in a list": ("apis.json", apis("one", odd=[5])),
    "a linkset that is cut off": ("api-catalog", '{"linkset": ['),
    "an object for a linkset": ("api-catalog", '{"linkset": {}}'),
    "an odd entry in a linkset": ("api-catalog", linkset("three", odd=[{"anchor": "https://[", "service-doc": []}])),
    "a data contract without id and name": ("o.odcs.yaml", ODCS.replace("id: dc-1\nname: dc one\n", "")),
    "a data contract without id": ("o.odcs.yaml", ODCS.replace("id: dc-1\n", "")),
    "an empty data contract": ("o.odcs.yaml", "\n"),
    "an empty CSV": ("more.csv", " \n"),
    "a CSV without its first line": ("more.csv", "csv-a,A,Aaa,v1\ncsv-b,B,Bbb,v1\n"),
    "a line without a slug": ("more.csv", "slug,name,purpose,label\ncsv-a,A,Aaa,v1\n,,Bbb,v1\n"),
    "a line with a slug that is none": ("more.csv", "slug,name,purpose,label\ncsv-a,A,Aaa,v1\nCSV B!,B,Bbb,v1\n"),
    "an empty file of entities": ("catalog-info.yaml", ""),
    "comments alone": ("catalog-info.yaml", "# backstage.io/v1alpha1\n---\n"),
    "an entity without a name": (
        "catalog-info.yaml",
        backstage(entity("Group", "g-one"), {"kind": "System", "metadata": {}}),
    ),
    "an entity of a misspelt kind": (
        "catalog-info.yaml",
        backstage(entity("Group", "g-one"), entity("Sytem", "s-one")),
    ),
}


@pytest.mark.parametrize(("name", "text"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_says_of_nothing_that_it_is_gone(name: str, text: str):
    assert not take(GOOD).rows.filter(outcome="refused").exists()
    run = take(GOOD | {name: text})
    assert list(run.rows.filter(code="import.gone").values_list("message", flat=True)) == []
    assert run.rows.filter(outcome="refused").exists() == ("name: dc one" not in text)


@pytest.mark.parametrize(
    ("name", "text", "gone"),
    [
        ("apis.json", apis("one"), ["apis.json:two"]),
        ("api-catalog", linkset("three"), ["linkset:x.example/four"]),
        ("o.odcs.yaml", ODCS.replace("dc-1", "dc-2"), ["odcs:dc-1"]),
        ("more.csv", "slug,name,purpose,label\ncsv-a,A,Aaa,v1\n", ["slug:csv-b"]),
        ("more.csv", "slug,name,purpose,label\n", ["slug:csv-a", "slug:csv-b"]),
        ("catalog-info.yaml", backstage(entity("Group", "g-one")), ["system:default/s-one"]),
        ("catalog-info.yaml", backstage(entity("Group", "g-one"), entity("Own", "x")), ["system:default/s-one"]),
        ("stays/pay-v1.json", "{", []),
        ("new/other-v1.json", OPENAPI % ("q", "q"), []),
    ],
)
def test_what_is_named_no_more_is_listed_where_everything_else_has_its_name(name: str, text: str, gone: list[str]):
    take(GOOD)
    run = take(GOOD | {name: text})
    listed = run.rows.filter(code="import.gone").order_by("position").values_list("source", flat=True)
    assert list(listed) == gone


def test_a_contract_that_never_had_an_id_is_known_by_its_name_and_hides_nothing():
    files = {"o.odcs.yaml": ODCS.replace("id: dc-1\n", ""), "apis.json": apis("one", "two")}
    take(files)
    run = take(files | {"apis.json": apis("one")})
    assert list(run.rows.filter(code="import.gone").values_list("source", flat=True)) == ["apis.json:two"]


TWICE = {
    "two entities": (
        {
            "a/catalog-info.yaml": backstage(entity("System", "pay", title="First")),
            "b/catalog-info.yaml": backstage(entity("System", "pay", title="Second")),
        },
        "system:default/pay",
        ("a/catalog-info.yaml", "b/catalog-info.yaml"),
    ),
    "two cases of one name": (
        {"catalog-info.yaml": backstage(entity("API", "pay", title="First"), entity("API", "Pay", title="Second"))},
        "api:default/pay",
        ("catalog-info.yaml, document 1", "catalog-info.yaml, document 2"),
    ),
    "two lines of one slug": (
        {"a.csv": "slug,name,purpose\npay,First,One\npay,Second,Two\n"},
        "pay",
        ("a.csv, line 2", "a.csv, line 3"),
    ),
    "two lines whose names make one slug": (
        {"a.csv": "name,purpose\nPay API,One\npay-api,Two\n"},
        "pay-api",
        ("a.csv, line 2", "a.csv, line 3"),
    ),
    "lines of two files": (
        {"a.csv": "slug,name\npay,First\n", "b.csv": "slug,name\npay,Second\n"},
        "pay",
        ("a.csv, line 2", "b.csv, line 2"),
    ),
    "two data contracts": (
        {"a.yaml": ODCS, "b.yaml": ODCS.replace("dc one", "dc two")},
        "odcs:dc-1 with the version '1.0.0'",
        ("a.yaml", "b.yaml"),
    ),
    "two entries of a list": (
        {"apis.json": apis("one", odd=[{"name": "One", "baseURL": "https://other.example/"}])},
        "apis.json:one",
        ("apis.json, API 1", "apis.json, API 2"),
    ),
}


@pytest.mark.parametrize(("files", "name", "places"), TWICE.values(), ids=TWICE)
def test_what_is_named_twice_is_told_with_both_places_and_the_next_import_rests(
    files: dict[str, str], name: str, places: tuple[str, str]
):
    runs = [take(files) for _ in range(3)]
    for run in runs:
        refused = run.rows.get(outcome="refused")
        assert refused.code == "import.named_twice"
        assert refused.message.startswith(
            f"{name} is named twice: in {places[0]}, which counts, and in {places[1]}, which says something else."
        )
    assert [run.rows.filter(outcome__in=["created", "changed"]).count() for run in runs] == [1, 0, 0]


def test_what_says_the_same_twice_is_put_aside():
    text = backstage(entity("System", "pay", title="Pay"))
    runs = [take({"a/catalog-info.yaml": text, "b/catalog-info.yaml": text}) for _ in range(2)]
    assert [list(run.rows.order_by("source").values_list("outcome", flat=True)) for run in runs] == [
        ["created", "unchanged"],
        ["unchanged", "unchanged"],
    ]


def test_several_versions_of_one_thing_are_no_doubles_and_rest():
    files = {
        "a.csv": "slug,name,purpose,label,contract\npay,Pay,Takes money.,v1,v1.json\npay,Paying,More.,v2,v2.json\n",
        "v1.json": OPENAPI % ("p", "p"),
        "v2.json": OPENAPI % ("q", "q"),
        "a.odcs.yaml": ODCS,
        "b.odcs.yaml": ODCS.replace("1.0.0", "2.0.0").replace("dc one", "dc two").replace("name: a", "name: b"),
        "api-catalog": linkset("shop/v1", "shop/v2"),
    }
    runs = [take(files) for _ in range(3)]
    assert [run.rows.filter(outcome="refused").count() for run in runs] == [0, 0, 0]
    assert [run.rows.filter(outcome__in=["created", "changed"]).count() for run in runs[1:]] == [0, 0]
    pay = Api.objects.get(slug="pay")
    assert (pay.name, pay.purpose, sorted(pay.versions.values_list("label", flat=True))) == (
        "Pay",
        "Takes money.",
        ["v1", "v2"],
    )
    assert Api.objects.get(name="dc one").versions.count() == 2
    assert runs[0].rows.get(source="a.csv, line 3").message.startswith("a.csv, line 2 says what the API is")
