"""Imports of odd files: what is wrong with one item stays with that item, and nothing is built before it is bounded."""

from __future__ import annotations

import time

import pytest
from django.db import OperationalError

from catalog.models import Application, ImportedThing, ImportRun
from catalog.services import importing
from catalog.services.importing import backstage
from catalog.services.importing.sources import ImportSource
from tests.catalog import make

pytestmark = pytest.mark.django_db
GOOD = "kind: Component\nmetadata: {name: %s}\nspec: {type: service, owner: pricing}\n"


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def take(text: str, *, name: str = "catalog-info.yaml", dry_run: bool = False) -> ImportRun:
    return importing.run([ImportSource(name, text.encode())], actor=None, source="odd", dry_run=dry_run)


def between(odd: str, *, dry_run: bool = False) -> list[str]:
    """Outcomes of three components, the odd entity in the middle."""
    text = "# backstage.io/\n" + "---\n".join([GOOD % "first", odd.rstrip("\n") + "\n", GOOD % "third"])
    return [r.outcome for r in take(text, dry_run=dry_run).rows.order_by("source")]


ODD = {
    "a number for a list": "kind: Component\nmetadata: {name: bad}\nspec: {consumesApis: 5}",
    "a NUL": 'kind: Component\nmetadata: {name: bad, description: "a\\0b", title: "t\\0"}\nspec: {}',
    "a list for a name": "kind: Component\nmetadata: {name: [a]}\nspec: {}",
    "a list for an owner": "kind: API\nmetadata: {name: bad}\nspec: {owner: [a], lifecycle: {a: 1}, type: [rest]}",
    "an object for a title": "kind: System\nmetadata: {name: bad, title: {a: 1}, description: [1]}\nspec: []",
    "a list for a lifecycle": "kind: API\nmetadata: {name: bad}\nspec: {lifecycle: [production]}",
    "an object for a reference": "kind: Component\nmetadata: {name: bad}\nspec: {providesApis: [{}],consumesApis: [5]}",
    "a long name": f"kind: Component\nmetadata: {{name: {'x' * 70}}}\nspec: {{}}",
    "a date that is none": "kind: Group\nmetadata: {name: bad, title: 2024-13-45}\nspec: {}",
}


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_entity_does_not_keep_the_next_ones_out(odd, dry_run):
    outcomes = between(odd, dry_run=dry_run)
    assert len(outcomes) == 3
    assert (outcomes[0], outcomes[2]) == ("created", "created")


def test_a_fault_of_our_own_is_a_row_of_the_report(monkeypatch):
    good = backstage.take

    def broken(item, target):
        if "bad" in str(item.value):
            raise ZeroDivisionError("by zero")
        return good(item, target)

    monkeypatch.setattr(backstage, "take", broken)
    run = take("# backstage.io/\n" + "---\n".join(GOOD % name for name in ("first", "bad", "third")))
    assert [(r.outcome, r.code) for r in run.rows.order_by("source")] == [
        ("created", ""),
        ("refused", "import.failed"),
        ("created", ""),
    ]
    assert "ZeroDivisionError" in run.rows.get(outcome="refused").message


def test_a_database_that_goes_away_ends_the_import_and_is_no_fault_of_an_item(monkeypatch):
    def gone(item, target):
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(backstage, "take", gone)
    with pytest.raises(OperationalError):
        take("# backstage.io/\n" + GOOD % "first")
    assert ImportRun.objects.get().state == "failed"


def test_a_text_in_place_of_a_list_is_one_reference():
    run = take("# backstage.io/\nkind: Component\nmetadata: {name: shop}\nspec: {owner: pricing, consumesApis: a1}\n")
    assert "consumes a1:" in run.rows.get().message


@pytest.mark.parametrize("level", [6, 8, 9])
def test_aliases_are_counted_before_anything_is_built_of_them(level):
    lines = ["x0: &x0 lollollol"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, level)]
    bomb = "\n".join(lines) + f"\nkind: Component\nmetadata: {{name: bomb, description: *x{level - 1}}}\n"
    began = time.monotonic()
    run = take("# backstage.io/\n" + bomb)
    assert run.rows.get().outcome == "refused"
    assert time.monotonic() - began < 2
    assert not Application.objects.filter(key="bomb").exists()


def test_small_aliases_are_read():
    text = "# backstage.io/\nx: &o pricing\nkind: Component\nmetadata: {name: shop}\nspec: {owner: *o}\n"
    assert take(text).rows.get().outcome == "created"
    assert Application.objects.get(key="shop").team.key == "pricing"


def test_a_csv_cell_or_a_file_name_with_a_nul_is_a_row(tmp_path):
    run = importing.run(
        [
            ImportSource("a\x00.csv", b"slug,name\none,O\x00ne\ntwo,Two\n"),
            ImportSource(
                "b.json", b'{"openapi": "3.0.0", "info": {"title": "\\ud800", "version": "1\\u0000"}, "paths": {}}'
            ),
        ],
        actor=None,
        source="odd\x00",
    )
    assert run.state == "done"
    assert run.rows.count() == 2


TOGETHER = {
    "catalog-info.yaml": "# backstage.io/\n" + GOOD % "first" + "---\njust text\n",
    "kindless/catalog-info.yaml": "# backstage.io/\nmetadata: {name: a}\n---\n" + GOOD % "second",
    "bomb.yaml": "# backstage.io/\na: &a [1]\n---\n" + "x: " + "[" * 100 + "]" * 100,
    "package.json": '{"name": "x", "version": "1.0.0"}',
    "compose.yaml": "services: {}",
    "1.raml": "#%RAML 1.0",
    "10.raml": "#%RAML 1.0",
    "_.csv": "title\n\x00",
    "apis.csv": "slug,title,owner\n",
    "apis.json": '{"apis": [], "specificationVersion": "0.16", "include": [{"name": "a", "url": "https://a.example"}]}',
}


def imported(*names: str) -> ImportRun:
    files = [ImportSource(name, TOGETHER[name].encode()) for name in names]
    return importing.run(files, actor=None, source="odd", dry_run=True)


def test_odd_files_of_every_kind_stand_beside_each_other_and_each_has_its_row():
    alone = {name: imported(name).rows.count() for name in TOGETHER}
    together = imported(*TOGETHER)
    assert (together.state, together.error) == ("done", "")
    assert together.rows.count() == sum(alone.values())
    for other in TOGETHER:
        assert imported("catalog-info.yaml", *{other} - {"catalog-info.yaml"}).state == "done", other


def test_a_name_of_more_digits_than_a_number_may_have_is_a_row_as_well():
    record = importing.run([ImportSource("7" * 5000 + ".raml", b"#%RAML 1.0")], actor=None, source="odd", dry_run=True)
    assert (record.state, record.rows.get().code) == ("done", "import.format_unread")


NORWAY = """# backstage.io/
kind: API
metadata: {name: pay, namespace: no}
spec: {type: openapi, lifecycle: production, owner: pricing}
---
kind: Component
metadata: {name: shop, namespace: no}
spec: {type: service, lifecycle: production, owner: no, consumesApis: [pay, "api:no/pay"]}
---
kind: Group
metadata: {name: no}
spec: {type: team}
---
kind: API
metadata: {name: 12:30}
spec: {type: openapi, lifecycle: production, owner: pricing}
"""


def test_a_namespace_that_is_called_no_is_a_name():
    run = importing.run([ImportSource("catalog-info.yaml", NORWAY.encode())], actor=None, source="t", source_key="n")
    said = " ".join(run.rows.values_list("message", flat=True))
    assert sorted(ImportedThing.objects.values_list("ref", flat=True)) == [
        "api:default/12:30",
        "api:no/pay",
        "component:no/shop",
        "group:default/no",
    ], said
    assert "false" not in said
    assert "'pay' is not known" not in said


@pytest.mark.parametrize("name", ["catalog-info.yaml", "catalog-info.json"])
def test_an_entity_in_which_a_key_stands_twice_is_refused_alone(name):
    text = """{"apiVersion": "backstage.io/v1alpha1", "kind": "API", "metadata": {"name": "bk", "name": "bl"},
        "spec": {"type": "openapi", "owner": "pricing", "owner": "loyalty"}}"""
    run = importing.run([ImportSource(name, text.encode())], actor=None, source="t", source_key="n")
    assert [(row.outcome, "stands twice" in row.message) for row in run.rows.all()] == [("refused", True)]
    assert not ImportedThing.objects.exists()
