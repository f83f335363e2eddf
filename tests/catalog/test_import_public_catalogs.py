"""Catalogs that the public has, rebuilt small in words of our own: docs/reference/public-reports.md says where from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.models import Api, ApiVersion, ImportedThing, ImportRun
from catalog.selectors import contracts, versions
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def take(name: str, content: Any, **more: str) -> ImportRun:
    files = {name: content if isinstance(content, str) else json.dumps(content), **more}
    given = [ImportSource(n, text.encode()) for n, text in files.items()]
    return importing.run(given, actor=None, source="t", source_key="public")


def schema_of(slug: str) -> dict[str, Any]:
    document = contracts.document(versions.of_api(slug)[0].contract_digest)
    made: dict[str, Any] = json.loads(document.canonical)["$defs"]
    return made


def test_a_hub_of_documentation_spells_its_addresses_and_types_differently():
    listed = {
        "name": "Our Railway",
        "specificationVersion": "0.16",
        "apis": [
            {
                "name": "Train trips",
                "humanUrl": "https://docs.example.org/trips",
                "description": "Finds and books trips by train.",
                "version": "1.0.0",
                "properties": [
                    {"type": "x-access-level", "data": "public"},
                    {"type": "x-openapi", "url": "trips.json"},
                ],
            }
        ],
    }
    row = take("apis.json", listed, **{"trips.json": OPENAPI % ("Trips", "t")}).rows.get()
    assert (row.outcome, row.reference) == ("created", "train-trips@1.0.0")
    api = Api.objects.get(slug="train-trips")
    assert api.documentation_url == "https://docs.example.org/trips"
    assert ApiVersion.objects.get(api=api).contract_id


def test_the_first_form_of_apis_json_names_its_addresses_with_hyphens_and_in_urls():
    listed = {
        "name": "Commons",
        "url": "https://commons.example.org",
        "type": "default",
        "apis": [
            {
                "name": "Commons",
                "human-url": "https://commons.example.org/docs",
                "machine-url": "https://api.example.org/swagger-spec.json",
                "tags": "API, Copyright",
                "urls": [{"type": "swagger", "url": "https://api.example.org/swagger-spec.json"}],
            }
        ],
    }
    row = take("api.json", listed).rows.get()
    assert row.outcome == "created"
    assert "swagger-spec.json' did not come along" in row.message
    assert Api.objects.get(slug="commons").documentation_url == "https://commons.example.org/docs"


def test_an_index_that_only_includes_others_is_nothing_to_do_and_names_them():
    listed = {
        "name": "An index",
        "specificationVersion": "0.16",
        "apis": [],
        "includes": [{"name": "Telephony", "url": "https://raw.example.org/apis/telephony.json"}],
    }
    row = take("apis.json", listed).rows.get()
    assert (row.outcome, row.code) == ("unchanged", "import.not_here")
    assert "https://raw.example.org/apis/telephony.json" in row.message


@pytest.mark.parametrize("anchor", ["/", "/api/v1", "relative"])
def test_a_linkset_with_an_anchor_below_no_host_says_what_is_missing(anchor):
    links = {"linkset": [{"anchor": anchor, "service-desc": [{"href": "/openapi.json"}]}]}
    row = take("api-catalog", links).rows.get()
    assert (row.outcome, row.code) == ("refused", "import.listed_name")
    assert "address" in row.message


def test_the_example_of_rfc_9727_with_bookmarks_alone_is_read():
    links = {
        "linkset": [
            {
                "anchor": "https://www.example.com/.well-known/api-catalog",
                "item": [
                    {"href": "https://developer.example.com/apis/foo_api"},
                    {"href": "https://developer.example.com/apis/bar_api"},
                    {"href": "https://developer.example.com/apis/cantona_api"},
                ],
            }
        ]
    }
    run = take("api-catalog", links)
    assert sorted(r.reference.partition("@")[0] for r in run.rows.all()) == ["bar-api", "cantona-api", "foo-api"]
    assert set(ApiVersion.objects.filter(origin="imported").values_list("state", flat=True)) == {"draft"}


NESTED = """dataContractSpecification: 1.1.0
id: "61111-0002"
info: {title: Sample data of nested types, version: 1.0.0}
models:
  sample:
    type: object
    fields:
      id: {type: integer, required: true}
      tags:
        type: array
        required: true
        items: {type: object, fields: {foo: {type: string, required: true}, arr: {type: array, items: {type: integer}}}}
      name: {type: object, fields: {first: {type: string}}}
      quux: {type: map, keys: {type: string}, values: {type: map, values: {type: integer}}}
"""


def test_nested_arrays_objects_and_maps_of_a_data_contract_keep_their_form():
    row = take("datacontract.yaml", NESTED).rows.get()
    assert row.outcome == "created"
    assert "anything is allowed" not in row.message
    sample = schema_of("sample-data-of-nested-types")["sample"]["properties"]
    assert sample["tags"]["items"]["properties"]["arr"]["items"] == {"type": "integer"}
    assert sample["tags"]["items"]["required"] == ["foo"]
    assert sample["name"]["properties"]["first"] == {"type": "string"}
    assert sample["quux"]["type"] == "object"


def test_a_template_that_says_columns_and_states_in_words_is_read():
    text = """dataContractSpecification: 1.0.0
info: {title: Customer Orders, version: 1.0.0, owner: Data Platform}
models:
  orders:
    columns:
      order_id: {type: string, required: true}
servicelevels: {freshness: {threshold: 1h}, availability: 99.5%}
"""
    row = take("data-contract.yaml", text).rows.get()
    assert (row.outcome, row.reference) == ("created", "customer-orders@1.0.0")
    assert schema_of("customer-orders")["orders"]["required"] == ["order_id"]
    levels = ImportedThing.objects.get(key="customer-orders").facts["slaProperties"]
    assert {"property": "availability", "value": "99.5%"} in levels


def test_the_template_before_the_standard_has_no_version_of_it():
    text = """version: 0.0.2
status: current
quantumName: Addresses of pages
datasetDomain: price
description: {purpose: Tables about addresses., limitations: null, usage: null}
dataset:
  - table: url_master
    columns:
      - {column: url_id, logicalType: integer, isPrimaryKey: true}
      - {column: url, physicalType: text}
"""
    row = take("contract.yaml", text).rows.get()
    assert (row.outcome, row.reference) == ("created", "addresses-of-pages@0.0.2")
    assert set(schema_of("addresses-of-pages")["url_master"]["properties"]) == {"url_id", "url"}


def test_a_template_of_entities_is_not_yaml_and_keeps_no_other_out():
    template = """apiVersion: backstage.io/v1alpha1
kind: API
metadata:
  name: {{ declaration.name }}
spec:
  definition: |
{% filter indent(width=4) %}
    {{ schema }}
{% endfilter %}
"""
    good = "apiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: s1}\nspec: {}\n"
    found = {r.source: r for r in take("template.yaml", template, **{"catalog-info.yaml": good}).rows.all()}
    assert found["catalog-info.yaml"].outcome == "created"
    assert found["template.yaml"].outcome == "refused"
    assert "line " in found["template.yaml"].message
