"""Data contracts of before ODCS v3, lists of APIs, and definitions that are kept as registrations without a judged
contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from catalog.models import Api, ApiVersion, ImportedThing
from catalog.selectors import contracts, versions
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from tests.catalog import make
from tests.catalog.test_import_again import OPENAPI

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def take(files: dict[str, Any], *, source: str = "s", dry_run: bool = False) -> Any:
    given = [
        ImportSource(n, d if isinstance(d, bytes) else (d if isinstance(d, str) else json.dumps(d)).encode())
        for n, d in files.items()
    ]
    return importing.run(given, actor=None, source="t", source_key=source, dry_run=dry_run)


def rows(run: Any) -> list[tuple[str, str, str]]:
    return list(run.rows.values_list("outcome", "reference", "code"))


ODCS2 = """kind: virtualDataset
apiVersion: v2.2.2
uuid: 53581432-6c55-4ba2-a65f-72344a91553a
version: 1.1.0
status: current
datasetName: seller_payments
datasetDomain: Price
type: tables
description: {purpose: Payments to the sellers of the marketplace.}
dataset:
  - table: payments
    columns:
      - {column: paid_on, isPrimary: true, logicalType: date, physicalType: date, isNullable: false}
      - column: amount
        logicalType: number
        classification: restricted
        quality: [{code: nullCheck}]
      - {column: note, physicalType: varchar(50)}
stakeholders: [{username: ceastwood, role: Data Scientist}]
slaProperties: [{property: latency, value: 4, unit: d}]
"""
DCS = """dataContractSpecification: 1.1.0
id: urn:datacontract:checkout:orders-latest
info: {title: Orders Latest, version: 2.0.0, status: active, owner: pricing, description: One record for each order.}
servers: {production: {type: s3, location: "s3://orders/*.json"}}
models:
  orders:
    type: table
    fields:
      order_id: {$ref: '#/definitions/order_id', required: true}
      total: {type: long, minimum: 0, required: true}
      email: {type: varchar, format: email, pii: true}
      status: {type: text, enum: [open, paid]}
      lines: {type: array, items: {type: record, fields: {sku: {type: string}}}}
      at: {type: timestamp_tz}
    quality: [{type: sql, description: not empty}]
definitions:
  order_id: {type: string, format: uuid, description: The order.}
servicelevels: {availability: {percentage: 99.9%}, retention: {period: P1Y}}
"""


def test_a_data_contract_of_version_2_is_read_as_one_of_version_3():
    run = take({"seller.yaml": ODCS2})
    assert rows(run)[0][:2] == ("created", "seller-payments@1.1.0")
    thing = ImportedThing.objects.get()
    assert thing.ref == "odcs:53581432-6c55-4ba2-a65f-72344a91553a"
    assert thing.facts["team"] == [{"username": "ceastwood", "role": "Data Scientist"}]
    assert thing.facts["quality"] == [{"of": "payments.amount", "code": "nullCheck"}]
    facts = versions.by_reference("seller-payments@1.1.0")
    assert (facts.state, facts.data_class, facts.domain_key) == ("published", "personal", "price")
    schema = json.loads(contracts.document(facts.contract_digest).canonical)
    payments = schema["$defs"]["payments"]
    assert payments["required"] == ["paid_on"]
    assert payments["properties"]["note"]["type"] == "string"
    assert rows(take({"seller.yaml": ODCS2}))[0][0] == "unchanged"


def test_a_data_contract_specification_is_read():
    run = take({"datacontract.yaml": DCS})
    assert rows(run)[0][:2] == ("created", "orders-latest@2.0.0")
    thing = ImportedThing.objects.get()
    assert thing.ref == "odcs:urn:datacontract:checkout:orders-latest"
    assert thing.facts["servers"] == [{"server": "production", "type": "s3", "location": "s3://orders/*.json"}]
    assert {"property": "availability", "percentage": "99.9%"} in thing.facts["slaProperties"]
    api = Api.objects.get(slug="orders-latest")
    assert (api.owner_team.key, api.data_class) == ("pricing", "personal")
    schema = json.loads(contracts.document(versions.of_api("orders-latest")[0].contract_digest).canonical)
    orders = schema["$defs"]["orders"]
    assert sorted(orders["required"]) == ["order_id", "total"]
    assert orders["properties"]["order_id"]["format"] == "uuid"
    assert orders["properties"]["status"]["enum"] == ["open", "paid"]
    assert orders["properties"]["lines"]["items"]["properties"]["sku"]["type"] == "string"
    assert orders["properties"]["at"]["format"] == "date-time"


def test_limits_of_columns_are_kept_and_a_format_of_dates_is_no_json_schema_format():
    text = """apiVersion: v3.1.0
kind: DataContract
id: x
name: limits
version: 1.0.0
status: active
schema:
  - name: t
    properties:
      - {name: a, logicalType: number, logicalTypeOptions: {exclusiveMinimum: 0, maximum: 9}}
      - {name: b, logicalType: integer, logicalTypeOptions: {minimum: 1, exclusiveMinimum: true}}
      - {name: c, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}}
      - {name: d, logicalType: array, logicalTypeOptions: {uniqueItems: true}, items: {logicalType: string}}
"""
    run = take({"l.yaml": text})
    assert "dd.MM.yyyy" in run.rows.get().message
    columns = json.loads(contracts.document(versions.of_api("limits")[0].contract_digest).canonical)["$defs"]["t"][
        "properties"
    ]
    assert columns["a"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 9}
    assert columns["b"] == {"type": "integer", "exclusiveMinimum": 1}
    assert columns["c"] == {"type": "string", "format": "date"}
    assert columns["d"]["uniqueItems"] is True


APIS_JSON = {
    "aid": "retail:apis",
    "name": "Retail APIs",
    "specificationVersion": "0.19",
    "apis": [
        {
            "aid": "retail:price",
            "name": "Price lookup",
            "description": "What an article costs in a store today.",
            "humanURL": "https://developer.example.org/price",
            "baseURL": "https://api.example.org/price",
            "tags": ["price"],
            "properties": [{"type": "OpenAPI", "url": "openapi/price.json"}],
        },
        {"name": "Stock feed", "properties": [{"type": "AsyncAPI", "url": "https://api.example.org/stock.yaml"}]},
        {"name": ""},
        5,
    ],
}


def test_apis_json_registers_what_it_lists_and_reads_what_came_along():
    files = {"apis.json": APIS_JSON, "openapi/price.json": OPENAPI % ("Price", "p")}
    found = {r.source: r for r in take(files).rows.all()}
    assert len(found) == 4
    assert found["apis.json, API 1"].reference == "price-lookup@1"
    assert found["apis.json, API 2"].outcome == "created"
    assert "nothing is fetched" in found["apis.json, API 2"].message
    assert {found[f"apis.json, API {n}"].outcome for n in (3, 4)} == {"refused"}
    price = Api.objects.get(slug="price-lookup")
    assert price.documentation_url == "https://developer.example.org/price"
    assert price.purpose == "What an article costs in a store today."
    stock = ApiVersion.objects.get(api__slug="stock-feed")
    assert (stock.state, stock.contract_id) == ("draft", None)
    assert {r.outcome for r in take(files).rows.all()} == {"unchanged", "refused"}
    fewer = dict(APIS_JSON, apis=APIS_JSON["apis"][:1])
    gone = [r.reference for r in take(files | {"apis.json": fewer}).rows.filter(code="import.gone")]
    assert gone == ["stock-feed"]


LINKSET = {
    "linkset": [
        {
            "anchor": "https://www.example.com/.well-known/api-catalog",
            "item": [{"href": "https://developer.example.com/apis/foo_api"}, {"href": "https://x.example.com/bare"}],
        },
        {
            "anchor": "https://developer.example.com/apis/foo_api",
            "service-desc": [{"href": "https://developer.example.com/apis/foo_api/spec", "type": "application/yaml"}],
            "service-doc": [{"href": "https://developer.example.com/apis/foo_api/doc", "title": "Foo"}],
            "status": [{"href": "https://developer.example.com/apis/foo_api/status"}],
        },
    ]
}


@pytest.mark.parametrize("name", ["api-catalog", ".well-known/api-catalog", "linkset.json", "catalog.linkset"])
def test_a_linkset_registers_its_apis(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(LINKSET))
    (tmp_path / "apis.csv").write_text("slug\nother\n")
    run = importing.run(importing.read_sources(tmp_path), actor=None, source="t", source_key="w")
    created = {r.reference.partition("@")[0] for r in run.rows.filter(outcome="created")}
    assert created == {"other", "foo-api", "bare"}
    api = Api.objects.get(slug="foo-api")
    assert api.documentation_url == "https://developer.example.com/apis/foo_api/doc"
    assert api.status_url == "https://developer.example.com/apis/foo_api/status"


def test_the_catalog_reads_the_linkset_that_it_serves():
    served = make.client("ada").get("/.well-known/api-catalog")
    contexts = served.json()["linkset"]
    run = take({"api-catalog": served.content})
    assert run.rows.count() == len(contexts) - 1 > 0
    assert not run.rows.filter(outcome="refused").exists(), list(run.rows.values())
    assert [r.reference for r in run.rows.all()] == ["price-api@v2"]


CENTER = [
    {
        "id": "/subscriptions/0/resourceGroups/r/providers/Microsoft.ApiCenter/services/c/workspaces/default/apis/echo",
        "name": "echo-api",
        "type": "Microsoft.ApiCenter/services/workspaces/apis",
        "title": "Echo API",
        "kind": "rest",
        "lifecycleStage": "production",
        "summary": "Answers with what was sent.",
        "externalDocumentation": [{"title": "Docs", "url": "https://docs.example.org/echo"}],
        "customProperties": {"team": "platform"},
    },
    {
        "name": "ws",
        "type": "Microsoft.ApiCenter/services/workspaces/apis",
        "properties": {"title": "Orders feed", "kind": "webhook", "lifecycleStage": "design"},
    },
]


@pytest.mark.parametrize("wrapped", [CENTER, {"value": CENTER}], ids=["a list", "a page of the REST API"])
def test_an_export_of_azure_api_center_registers_its_apis(wrapped):
    found = {r.reference.partition("@")[0]: r for r in take({"apis.json": wrapped}).rows.all()}
    assert set(found) == {"echo-api", "ws"}
    echo = Api.objects.get(slug="echo-api")
    assert (echo.name, echo.style, echo.purpose) == ("Echo API", "rest", "Answers with what was sent.")
    assert echo.documentation_url == "https://docs.example.org/echo"
    assert ApiVersion.objects.get(api=echo).state == "draft"
    assert ImportedThing.objects.get(key="echo-api").facts["lifecycle"] == "production"


POSTMAN = {
    "info": {
        "_postman_id": "b1",
        "name": "Loyalty points",
        "description": "Earn and burn points.",
        "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    },
    "item": [{"name": "Balance", "request": {"method": "GET", "url": "https://x.example/balance"}}, {"item": []}],
}
OPENRPC = {
    "openrpc": "1.2.6",
    "info": {"title": "Price calls", "version": "2.1", "description": "Prices by JSON-RPC."},
    "methods": [{"name": "price.get"}, {"name": "price.list"}],
}


@pytest.mark.parametrize(
    ("name", "value", "slug", "word"),
    [
        ("l.postman_collection.json", POSTMAN, "loyalty-points", "Postman"),
        ("rpc.json", OPENRPC, "price-calls", "OpenRPC"),
    ],
)
def test_postman_and_openrpc_are_registered_without_a_judged_contract(name, value, slug, word):
    row = take({name: value}).rows.get()
    assert (row.outcome, row.reference.partition("@")[0]) == ("created", slug)
    assert word in row.message
    version = ApiVersion.objects.get(api__slug=slug)
    assert (version.state, version.contract_id) == ("draft", None)
    assert ImportedThing.objects.get(key=slug).facts["operations"]
    assert rows(take({name: value})) == [("unchanged", row.reference, "import.noticed")]


NO_CONTRACTS = {
    "package.json": {"name": "shop", "type": "module", "dependencies": {"a": "^1"}, "description": "x"},
    "tsconfig.json": {"$schema": "https://json.schemastore.org/tsconfig", "compilerOptions": {}},
    "composer.json": {"name": "a/b", "type": "library", "require": {"php": ">=8"}},
    "store.geojson.json": {"type": "Feature", "properties": {"name": "Store 1"}, "geometry": None},
    "arm.json": {"type": "Microsoft.Web/sites", "properties": {"siteConfig": {}}, "name": "x"},
    "empty-feature.json": {"type": "Feature", "properties": {}},
    "order.avro.json": {"type": "record", "name": "Order", "fields": []},
    "values.yaml": "replicas: 3\nimage: {tag: latest}\n",
    "compose.yaml": "services: {db: {image: postgres}}\n",
    "workflow.yml": "on: push\njobs: {a: {runs-on: ubuntu}}\n",
    "data.json": [{"id": 1}],
    "settings.json": {"type": "string!", "default": 5},
    "x.har": {"log": {"entries": []}},
    "x.avsc": {"type": "record", "name": "x", "fields": []},
    "x.apib": "FORMAT: 1A\n# x\n",
}


@pytest.mark.parametrize("name", NO_CONTRACTS)
def test_a_file_that_is_no_contract_is_no_contract(name):
    run = take({name: NO_CONTRACTS[name]})
    assert not run.rows.filter(outcome__in=["created", "changed"]).exists()
    assert run.rows.count() == 1
    assert run.rows.get().message
    assert not ImportedThing.objects.exists()


def test_files_of_tools_beside_contracts_are_nothing_to_do():
    run = take({n: NO_CONTRACTS[n] for n in ("package.json", "tsconfig.json", "composer.json", "compose.yaml")})
    assert {(o, c) for o, _, c in rows(run)} == {("unchanged", "import.not_here")}


def test_a_schema_that_a_contract_refers_to_is_a_part_of_it():
    files = {
        "orders/openapi.json": (OPENAPI % ("Orders", "o")).replace(
            '"responses": {}', '"responses": {"200": {"$ref": "./parts/r.json#/ok"}}'
        ),
        "orders/parts/r.json": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        "alone.json": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
    }
    names = [r.source for r in take(files).rows.all()]
    assert sorted(names) == ["alone.json", "orders/openapi.json"]


SPELLINGS = {
    "a tier with a decimal comma": "slug;tier\norders;1,0\n".encode("utf-8-sig"),
    "a tier with a decimal point": b"slug,tier\norders,1.0\n",
    "UTF-16 with a line that names the separator": "sep=;\r\nslug;tier\r\norders;1\r\n".encode("utf-16"),
    "a mark and a line that names the separator": "sep=\t\r\nslug\ttier\r\norders\t1\r\n".encode("utf-8-sig"),
    "a quoted separator line": b'"sep=;"\r\nslug;tier\r\norders;1\r\n',
    "UTF-16 big end first": b"\xfe\xff" + "slug;tier\norders;1\n".encode("utf-16-be"),
    "blanks that do not break": "slug;tier\norders;\u00a01\u00a0\n".encode(),
    "a heading with a mark in quotes": '\ufeff"slug";"tier"\n"orders";"1"\n'.encode(),
    "returns alone": b"slug;tier\rorders;1\r",
    "empty lines and columns": b";;\nslug;tier;\norders;1;\n;;\n",
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS)
def test_a_csv_of_excel_is_read_in_every_spelling(data):
    row = take({"apis.csv": data}).rows.get()
    assert (row.outcome, row.reference, row.message) == ("created", "orders", "")
    assert Api.objects.get(slug="orders").tier.level == 1


ODD: dict[str, Any] = {
    "apis of texts": {"name": "x", "specificationVersion": "0.16", "apis": ["a", None, {"name": {"a": 1}}]},
    "apis that are no list": {"aid": "x", "name": "x", "apis": {"a": 1}},
    "links that are no lists": {"linkset": [{"anchor": "https://x.example/a", "service-desc": "x", "item": {"a": 1}}]},
    "an anchor that is no text": {"linkset": [{"anchor": {"a": 1}}, 5, None]},
    "a linkset that is no list": {"linkset": {"anchor": "https://x.example/a"}},
    "API Center without names": {"value": [{"type": "Microsoft.ApiCenter/services/workspaces/apis", "name": [1]}]},
    "Postman of texts": {"info": {"_postman_id": 5, "name": ["x"], "schema": "https://schema.getpostman.com/x"}},
    "OpenRPC of numbers": {"openrpc": 1, "info": 5, "methods": 7},
    "a specification of numbers": "dataContractSpecification: 1\nid: [a]\ninfo: 5\nmodels: {a: 5, b: {fields: [1]}}",
    "a circle of definitions": (
        "dataContractSpecification: 1.1.0\nid: x\ninfo: {title: x, version: '1'}\n"
        "models: {m: {fields: {a: {$ref: '#/definitions/a'}}}}\ndefinitions: {a: {$ref: '#/definitions/a'}}"
    ),
    "version 2 of texts": "apiVersion: v2.2.2\ndatasetName: x\ndataset: [a, {table: t, columns: [1, {column: [x]}]}]",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_files_of_these_formats_are_rows_of_the_report(value):
    run = take({"odd.json" if isinstance(value, dict) else "odd.yaml": value})
    assert run.state == "done"
    assert not run.rows.filter(code="import.failed").exists(), list(run.rows.values())


GROUP = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: %s}\n"


@pytest.mark.parametrize(
    "data",
    [
        (GROUP % "tills").encode("utf-16"),
        ("\ufeff" + GROUP % "tills").encode(),
        ("# " + "a long licence " * 2000 + "\n" + GROUP % "tills").encode(),
        ("kind: Other\n---\n" + GROUP % "tills").encode(),
        b'{"kind": "Group", "metadata": {"name": "tills"}, "apiVersion": "backstage.io/v1beta1"}',
        b"{kind: Group, metadata: {name: tills}, \"apiVersion\": 'backstage.io/v1alpha1'}",
    ],
    ids=["UTF-16", "a mark", "a long comment", "a second document", "JSON", "braces of YAML"],
)
def test_an_entity_is_known_by_its_version_in_whatever_form(data: bytes):
    run = importing.run([ImportSource("catalog-info.yaml", data)], actor=None, source="t")
    assert ("created", "tills") in [(r.outcome, r.reference) for r in run.rows.all()]


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_contract_that_speaks_of_backstage_is_a_contract(form: str):
    value = {
        "openapi": "3.0.0",
        "info": {"title": "Plugins", "version": "1", "description": "See https://backstage.io/docs"},
        "paths": {},
        "x-entity": {"apiVersion": "backstage.io/v1alpha1", "annotations": {"backstage.io/techdocs-ref": "dir:."}},
    }
    data = (yaml.safe_dump(value, sort_keys=False) if form == "yaml" else json.dumps(value)).encode()
    run = importing.run([ImportSource(f"plugins.{form}", data)], actor=None, source="t")
    assert [(r.outcome, r.reference) for r in run.rows.all()] == [("created", "plugins@1")]


def test_a_state_of_a_line_without_a_version_is_told():
    run = importing.run([ImportSource("a.csv", b"slug,state\nlater,published\n")], actor=None, source="t")
    row = run.rows.get()
    assert (row.outcome, row.code) == ("created", "import.noticed")
    assert "state 'published' is of a version" in row.message
