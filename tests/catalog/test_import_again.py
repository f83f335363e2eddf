"""Imports that are repeated: the same again changes nothing, a change says what it did and what needs a decision, what
is gone is listed; a name is kind, namespace and name, and belongs to its source."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Api, ApiVersion, Application, Domain, ImportedThing, ImportRun, System, Team
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from kernel import clock
from kernel.models import AuditEntry
from tests.catalog import make

pytestmark = pytest.mark.django_db
OPENAPI = '{"openapi": "3.0.0", "info": {"title": "%s", "version": "1"}, "paths": {"/%s": {"get": {"responses": {}}}}}'


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def entity(kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    meta = {k: spec.pop(k) for k in ("title", "description", "annotations", "links") if k in spec}
    place = {"namespace": namespace} if namespace else {}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name} | place | meta,
        "spec": spec,
    }


def take(*entities: dict[str, Any], source: str = "", dry_run: bool = False, more: dict[str, str] | None = None) -> Any:
    files = [ImportSource("catalog-info.yaml", yaml.safe_dump_all(entities).encode())]
    files += [ImportSource(name, text.encode()) for name, text in (more or {}).items()]
    return importing.run(files, actor=None, source="test", source_key=source, dry_run=dry_run)


def told(run: ImportRun) -> list[tuple[str, str, str]]:
    return list(run.rows.values_list("outcome", "reference", "code"))


def outcomes(run: ImportRun) -> list[str]:
    return list(run.rows.values_list("outcome", flat=True))


def test_an_api_without_a_readable_definition_is_one_version_however_often_it_comes():
    one = entity(
        "API", "far-api", type="openapi", lifecycle="production", definition={"$text": "https://example.org/o"}
    )
    for day in range(4):
        with clock.frozen(clock.now() + timedelta(days=day)):
            run = take(one)
        assert outcomes(run) == ["created" if day == 0 else "unchanged"]
    assert ApiVersion.objects.filter(api__slug="far-api").count() == 1


def test_what_a_source_changed_is_changed_or_needs_a_decision():
    before = [
        entity("Group", "g1", type="team", profile={"displayName": "Old", "email": "old@x.org"}),
        entity("Domain", "d1", title="Domain"),
        entity("System", "s1", title="System", description="before", owner="later"),
        entity("Component", "c1", title="Shop", owner="later"),
        entity("API", "a1", title="Pay", owner="g1", lifecycle="production", definition=OPENAPI % ("a", "a")),
    ]
    assert outcomes(take(*before)) == ["created"] * 5
    after = [
        entity("Group", "later", type="team"),
        entity("Group", "g1", type="team", profile={"displayName": "New", "email": "new@x.org"}),
        entity("Domain", "d1", title="Domain 2", owner="g1"),
        entity("System", "s1", title="System 2", description="after", owner="later"),
        entity("Component", "c1", title="Shop 2", owner="later"),
        entity("API", "a1", title="Pay 2", owner="g1", lifecycle="deprecated", definition=OPENAPI % ("a", "a")),
    ]
    dry = told(take(*after, dry_run=True))
    run = take(*after)
    assert told(run) == dry
    assert sorted(outcomes(run)) == ["changed"] * 5 + ["created"]
    team = Team.objects.get(key="g1")
    assert (team.name, team.email) == ("New", "new@x.org")
    assert Domain.objects.get(key="d1").owner_team == team
    system = System.objects.get(key="s1")
    assert (system.name, system.description, system.owner_team.key) == ("System 2", "after", "later")
    assert Application.objects.get(key="c1").team.key == "later"
    assert Api.objects.get(slug="a1").name == "Pay 2"
    row = run.rows.get(code="import.differs")
    assert "lifecycle deprecated" in row.message
    assert "decision" in row.message
    assert ApiVersion.objects.get(api__slug="a1").state == "published"
    entries = AuditEntry.objects.count()
    assert set(outcomes(take(*after))) == {"unchanged"}
    assert AuditEntry.objects.count() == entries + 1


def test_what_people_changed_since_stays_while_the_source_says_the_same():
    one = entity("System", "s1", title="System")
    take(one)
    System.objects.filter(key="s1").update(name="Our name")
    assert outcomes(take(one)) == ["unchanged"]
    assert System.objects.get(key="s1").name == "Our name"
    assert outcomes(take(entity("System", "s1", title="Their name"))) == ["changed"]
    assert System.objects.get(key="s1").name == "Their name"


def test_an_owner_who_owns_already_is_not_replaced_by_a_file():
    take(entity("System", "s1", owner="pricing"))
    run = take(entity("Group", "g2"), entity("System", "s1", owner="g2"))
    assert "hand-over" in run.rows.get(code="import.differs").message
    assert System.objects.get(key="s1").owner_team.key == "pricing"


def test_what_a_named_source_names_no_more_is_listed_until_it_is_retired():
    both = [entity("System", "s1"), entity("System", "s2")]
    take(*both, source="shop")
    take(entity("System", "s3"), source="till")
    for dry_run in (True, False, False):
        rows = told(take(both[0], source="shop", dry_run=dry_run))
        assert rows == [("unchanged", "s1", ""), ("unchanged", "s2", "import.gone")]
    assert ImportedThing.objects.get(key="s2").gone_since is not None
    System.objects.filter(key="s2").update(retired_at=clock.now())
    assert told(take(both[0], source="shop")) == [("unchanged", "s1", "")]
    System.objects.filter(key="s2").update(retired_at=None)
    take(*both, source="shop")
    assert ImportedThing.objects.get(key="s2").gone_since is None


def test_a_file_that_cannot_be_read_says_of_nothing_that_it_is_gone():
    take(entity("System", "s1"), source="shop")
    files = [ImportSource("catalog-info.yaml", b"# backstage.io/\nkind: [")]
    run = importing.run(files, actor=None, source="test", source_key="shop")
    assert [row[0] for row in told(run)] == ["refused"]


def test_a_namespace_is_part_of_a_name():
    run = take(
        entity("Group", "checkout", "de", profile={"displayName": "Checkout DE"}),
        entity("Group", "checkout", "fr", profile={"displayName": "Checkout FR"}),
        entity("API", "pay", "de", owner="checkout", lifecycle="production", definition=OPENAPI % ("a", "a")),
        entity("API", "pay", "fr", owner="checkout", lifecycle="production", definition=OPENAPI % ("b", "b")),
        entity("Component", "shop", "fr", owner="group:de/checkout", providesApis=["pay"], consumesApis=["api:de/pay"]),
    )
    assert set(outcomes(run)) == {"created"}
    owners = {a.slug: a.owner_team.name for a in Api.objects.filter(slug__endswith="pay")}
    assert owners == {"de-pay": "Checkout DE", "fr-pay": "Checkout FR"}
    assert Application.objects.get(key="fr-shop").team.name == "Checkout DE"
    assert Api.objects.get(slug="fr-pay").dependencies.get().target_api.slug == "de-pay"


def test_a_person_is_never_a_team():
    run = take(
        entity("Group", "anna"),
        entity("API", "a1", owner="user:default/anna", lifecycle="experimental"),
        entity("User", "anna"),
    )
    assert Api.objects.get(slug="a1").owner_team is None
    assert "is a person" in run.rows.get(reference__startswith="a1").message
    assert run.rows.get(code="import.not_here").outcome == "unchanged"


def test_names_that_are_nearly_the_same_stay_apart():
    run = take(*(entity("System", name, title=name) for name in ("X_2", "x-2", "商店")))
    assert outcomes(run) == ["created"] * 3
    assert len(set(run.rows.values_list("reference", flat=True))) == 3
    assert outcomes(take(*(entity("System", name, title=name) for name in ("x-2", "商店", "X_2")))) == ["unchanged"] * 3


def test_another_source_takes_nothing_over_without_being_told():
    take(entity("API", "petstore", title="Ours", lifecycle="experimental"), source="a")
    for source in ("b", ""):
        row = take(entity("API", "petstore", title="Theirs", lifecycle="experimental"), source=source).rows.get()
        assert (row.outcome, row.code) == ("refused", "import.other_source")
        assert "'a'" in row.message
    assert Api.objects.get(slug="petstore").name == "Ours"


def test_rows_of_before_keep_their_names():
    Team.objects.get(key="pricing")
    apis = Api.objects.count()
    existing = Api.objects.order_by("pk").first()
    assert existing is not None
    run = take(entity("API", existing.slug, title=existing.name, lifecycle="experimental", owner="pricing"))
    assert run.rows.get().reference.startswith(f"{existing.slug}@")
    assert Api.objects.count() == apis


def test_a_definition_beside_an_entity_is_that_entitys_alone(tmp_path: Path):
    text = yaml.safe_dump(
        entity("API", "price-api", lifecycle="experimental", definition={"$text": "./openapi/p.yaml"})
    )
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi/p.yaml").write_text(OPENAPI % ("p", "p"))
    (tmp_path / "catalog-info.yaml").write_text(text)
    run = importing.run(importing.read_sources(tmp_path), actor=None, source="t")
    assert [r.reference.partition("@")[0] for r in run.rows.all()] == ["price-api"]
    uploaded = [
        ImportSource("catalog-info.yaml", text.encode()),
        ImportSource("p.yaml", (OPENAPI % ("p", "p")).encode()),
    ]
    again = importing.run(uploaded, actor=None, source="t")
    assert [(r.outcome, r.reference.partition("@")[0]) for r in again.rows.all()] == [("unchanged", "price-api")]


def test_an_api_is_in_the_domain_of_its_system_and_what_has_no_field_is_kept():
    take(
        entity("Domain", "checkout"),
        entity("System", "tills", domain="checkout", annotations={"github.com/project-slug": "x/y"}),
        entity("API", "a1", system="tills", lifecycle="experimental", links=[{"url": "https://x.org"}]),
        entity("Component", "c1", system="tills", type="service", dependsOn=["resource:db"]),
        entity("Group", "g1", type="team", parent="all", children=[], members=["anna"]),
    )
    assert Api.objects.get(slug="a1").domain.key == "checkout"
    kept = {t.key: t.facts for t in ImportedThing.objects.all()}
    assert kept["tills"]["annotations"] == {"github.com/project-slug": "x/y"}
    assert kept["a1"]["links"] == [{"url": "https://x.org"}]
    assert (kept["c1"]["system"], kept["c1"]["dependsOn"]) == ("tills", ["resource:db"])
    assert (kept["g1"]["parent"], kept["g1"]["members"]) == ("all", ["anna"])


def test_backstage_in_json_is_read():
    import json

    files = [ImportSource("catalog-info.json", json.dumps(entity("System", "s1")).encode())]
    assert outcomes(importing.run(files, actor=None, source="t")) == ["created"]


ODCS = """apiVersion: v3.0.2
kind: DataContract
id: %s
name: %s
version: 1.0.0
status: active
team: [{username: anna, role: Owner}]
slaProperties: [{property: latency, value: 4}]
schema: [{name: sale, properties: [{name: %s, logicalType: string}]}]
"""


def contract(*given: str) -> tuple[str, str, str]:
    row = importing.run([ImportSource("c.odcs.yaml", (ODCS % given).encode())], actor=None, source="o").rows.get()
    return row.outcome, row.reference.partition("@")[0], row.message


def test_a_data_contract_is_known_by_its_id():
    assert contract("aaa", "Daily sales", "x")[:2] == ("created", "daily-sales")
    second = contract("bbb", "Daily sales", "y")
    assert second[0] == "created"
    assert second[1].startswith("daily-sales-")
    assert contract("aaa", "Sales of a day", "x")[1] == "daily-sales"
    assert Api.objects.get(slug="daily-sales").name == "Sales of a day"
    assert contract("bbb", "Daily sales", "y")[:2] == ("unchanged", second[1])
    facts = ImportedThing.objects.get(ref="odcs:aaa").facts
    assert facts["team"] == [{"username": "anna", "role": "Owner"}]
    assert facts["slaProperties"] == [{"property": "latency", "value": 4}]


def estate_of(n: int, *, changed: bool = False, fewer: bool = False) -> list[dict[str, Any]]:
    """Fifty entities of one source; every source uses the same names in a namespace of its own."""
    place, mark = f"s{n}", " 2" if changed else ""
    groups = [entity("Group", f"team-{i}", place, title=f"Team {n}.{i}{mark}") for i in range(5)]
    domains = [entity("Domain", f"domain-{i}", place, owner=f"team-{i}") for i in range(3)]
    systems = [entity("System", f"system-{i}", place, domain=f"domain-{i % 3}", owner=f"team-{i}") for i in range(5)]
    apis = [
        entity(
            "API",
            f"api-{i}",
            place,
            title=f"API {n}.{i}{mark}",
            owner=f"team-{i % 5}",
            system=f"system-{i % 5}",
            lifecycle="deprecated" if changed and i == 0 else "production",
            definition=OPENAPI % (f"{n}-{i}", f"{n}/{i}"),
        )
        for i in range(20)
    ]
    shops = [
        entity(
            "Component", f"app-{i}", place, owner=f"team-{i % 5}", providesApis=[f"api-{i}"], consumesApis=["s0/api-19"]
        )
        for i in range(15)
    ]
    rest = [entity("Location", "all", place), entity("Resource", "db", place)]
    return groups + domains + systems + (apis[:-1] if fewer else apis) + shops + rest


@lru_cache
def estate_text(n: int, *, changed: bool = False, fewer: bool = False) -> bytes:
    made = yaml.dump_all(estate_of(n, changed=changed, fewer=fewer), Dumper=yaml.CSafeDumper)
    return str(made).encode()


def page_of(run: ImportRun, outcome: str = "") -> str:
    """The report as an architect reads it, with its filters and their counts."""
    page = make.client("ada").get(f"/catalog/imports/{run.pk}/", {"outcome": outcome} if outcome else {})
    return make.shown(page).split('id="import"')[1]


@pytest.mark.thorough
def test_an_estate_of_300_entities_over_six_sources_is_right_each_time():
    """Each time, one of the sources is tried by a dry run before: it says what the real run does."""
    tries = iter(range(6))

    def each(**how: bool) -> list[list[tuple[str, str, str]]]:
        made, tried = [], next(tries)
        for n in range(6):
            files = [ImportSource("catalog-info.yaml", estate_text(n, **how))]
            runs = [
                importing.run(files, actor=None, source="test", source_key=f"source {n}", dry_run=dry)
                for dry in ((True, False) if n == tried else (False,))
            ]
            assert told(runs[0]) == told(runs[-1])
            made.append(told(runs[-1]))
        last.append(runs[-1])
        return made

    last: list[ImportRun] = []
    before = Api.objects.count()
    for rows in each():
        assert [o for o, _, _ in rows].count("created") == 48
        assert [c for _, _, c in rows].count("import.not_here") == 2
    assert Api.objects.count() == before + 120
    assert len({t.key for t in ImportedThing.objects.filter(table="team")}) == 30
    for rows in each():
        assert {o for o, _, _ in rows} == {"unchanged"}
    for rows in each(changed=True):
        assert [o for o, _, _ in rows].count("changed") == 25
        assert [r.partition("@")[0][3:] for _, r, c in rows if c == "import.differs"] == ["api-0"]
    assert "Needs a decision" in page_of(last[-1])
    assert "s5-api-0" in page_of(last[-1], "differs")
    for rows in each(changed=True, fewer=True):
        assert {o for o, _, _ in rows} == {"unchanged"}
        assert [r for _, r, c in rows if c == "import.gone"] == [rows[-1][1]]
    gone = page_of(last[-1], "gone")
    assert "No longer named" in gone
    assert 'value="api:s5/api-19"' in gone
    assert 'value="api:s5/api-18"' not in gone
    assert {o for rows in each(changed=True) for o, _, _ in rows} == {"unchanged"}
    assert "No longer named" not in page_of(last[-1])
    assert not ImportedThing.objects.exclude(gone_since=None).exists()
    assert Api.objects.get(slug="s3-api-7").domain.key == "s3-domain-2"


@pytest.mark.parametrize(("how", "most"), [({}, 9.5), ({"changed": True}, 14.5)], ids=["unchanged", "changed"])
def test_an_entity_that_comes_again_costs_few_statements(how, most):
    """References are resolved once in an import, and nothing is written of what is the same."""
    importing.run([ImportSource("c.yaml", estate_text(0))], actor=None, source="t", source_key="s")
    files = [ImportSource("c.yaml", estate_text(0, **how))]
    with CaptureQueriesContext(connection) as told_to_the_database:
        run = importing.run(files, actor=None, source="t", source_key="s")
    assert len(told_to_the_database) / run.rows.count() < most
