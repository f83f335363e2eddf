"""What a source says and the catalog has no field for is shown where the thing is shown."""

from __future__ import annotations

import pytest

from catalog.models import Api, ImportedThing
from catalog.services import importing, search_index
from catalog.services.importing.sources import ImportSource
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI, entity, take

pytestmark = pytest.mark.django_db
ODCS = """apiVersion: v3.1.0
kind: DataContract
id: urn:sales
name: Daily sales
version: 1.0.0
status: active
team: {name: pricing, members: [{username: anna, role: Owner}]}
slaProperties: [{property: latency, value: 4, unit: h}, {property: retention, value: 3, unit: y}]
servers: [{server: lake, type: s3, location: "s3://bucket/sales"}]
roles: [{role: reader, access: read}]
support: [{channel: "#sales", url: "https://chat.example.org/sales"}]
tags: [daily]
schema:
  - name: sale
    quality: [{metric: rowCount, mustBeGreaterThan: 100}]
    properties:
      - {name: price, logicalType: number, quality: [{metric: nullValues, mustBe: 0, description: always priced}]}
"""


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def test_service_levels_roles_servers_and_quality_of_a_data_contract_stand_on_its_page():
    run = importing.run([ImportSource("s.odcs.yaml", ODCS.encode())], actor=None, source="o", source_key="lake")
    assert [r.outcome for r in run.rows.all()] == ["created"], list(run.rows.values())
    page = make.shown(make.client("ada").get("/catalog/apis/daily-sales/"))
    for said in (
        "From its source",
        "lake",
        "latency",
        "4 h",
        "s3://bucket/sales",
        "reader",
        "anna",
        "Owner",
        "sale.price",
        "always priced",
        "rowCount",
        'href="https://chat.example.org/sales"',
    ):
        assert said in page, said


def test_annotations_links_and_members_stand_on_the_pages_of_teams_systems_and_applications():
    links = [{"url": "https://wiki.example.org/x", "title": "Run book"}, {"url": "javascript:alert(1)", "title": "No"}]
    take(
        entity("Group", "g1", parent="all", members=["anna"]),
        entity("System", "s1", domain="d", annotations={"example.org/cost-center": "4711"}, links=links),
        entity("Component", "c1", type="service", dependsOn=["resource:db"], links=links),
        source="shop",
    )
    ada = make.client("ada")
    system = make.shown(ada.get("/catalog/systems/s1/"))
    assert "example.org/cost-center" in system
    assert "4711" in system
    assert 'href="https://wiki.example.org/x"' in system
    assert "javascript:" not in system
    application = make.shown(ada.get("/catalog/applications/c1/"))
    assert "resource:db" in application
    assert "Run book" in application
    team = make.shown(ada.get("/teams/g1/"))
    assert "anna" in team
    assert "shop" in team


def test_a_page_says_since_when_the_source_names_a_thing_no_more():
    take(entity("System", "s1"), entity("System", "s2"), source="shop")
    take(entity("System", "s2"), source="shop")
    assert "no longer names" in make.shown(make.client("ada").get("/catalog/systems/s1/"))
    assert "no longer names" not in make.shown(make.client("ada").get("/catalog/systems/s2/"))


@pytest.mark.parametrize("odd", [{"links": 5, "annotations": ["x"]}, {"slaProperties": {"a": [1]}, "roles": "x"}, []])
def test_odd_facts_break_no_page(odd):
    take(entity("System", "s1"), source="shop")
    ImportedThing.objects.update(facts=odd)
    assert make.client("ada").get("/catalog/systems/s1/").status_code == 200


def test_what_no_source_brought_shows_nothing_of_it():
    assert "From its source" not in make.shown(make.client("ada").get("/catalog/apis/price-api/"))


def test_a_restricted_api_is_named_to_nobody_who_may_not_see_it():
    take(
        entity("API", "hush", lifecycle="production", definition=OPENAPI % ("h", "h")),
        entity("Component", "c1", dependsOn=["api:hush", "API:default/hush", "resource:db"]),
        source="shop",
    )
    hush = Api.objects.get(slug="hush")
    Api.objects.filter(pk=hush.pk).update(visibility="restricted")
    search_index.refresh([hush.pk])
    page = make.shown(make.client("piet").get("/catalog/applications/c1/"))
    assert "resource:db" in page
    assert "hush" not in page
