"""Bulk import: folders, CSV, Backstage, data contracts; twice is once; what is not understood is listed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Api, ApiVersion, Application, Dependency, ImportRun, Team
from catalog.selectors import contracts, versions
from catalog.services import importing
from catalog.services.importing.sources import ImportSource, names_from_path, natural
from kernel.errors import Forbidden, Invalid
from kernel.models import AuditEntry
from tests.catalog import make
from tests.contracts.labelled_pairs import WSDL

OPENAPI = (
    '{"openapi": "3.0.0", "info": {"title": "Orders", "version": "%s"},'
    ' "paths": {"/orders/{n}": {"get": {"operationId": "o%s", "responses": {}}}}}'
)
BACKSTAGE = """apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: web-shop-2}
spec: {type: service, owner: pricing, lifecycle: production, consumesApis: [orders, ghost], providesApis: [basket]}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: orders, description: "Orders of the web shop, until they are paid."}
spec:
  {type: openapi, lifecycle: production, owner: group:default/pricing, system: erp, definition: {$text: ./orders.json}}
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: basket}
spec: {type: grpc, lifecycle: experimental, owner: unknown-team, definition: "syntax = proto3;"}
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: checkout-team}
spec: {type: team, profile: {displayName: Checkout}}
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata: {name: db}
"""
ODCS = """apiVersion: v3.0.2
kind: DataContract
id: 53581432
name: Daily sales
version: 1.1.0
status: active
domain: price
description: {purpose: What every store sold yesterday.}
schema:
  - name: sale
    properties:
      - {name: store, logicalType: string, required: true}
      - {name: amount, logicalType: number, classification: internal}
      - {name: customer, logicalType: object, classification: pii, properties: [{name: email, logicalType: string}]}
      - {name: when, logicalType: moment}
"""


def folder(tmp_path: Path, **files: str) -> list[ImportSource]:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return importing.read_sources(tmp_path)


@pytest.mark.parametrize(
    ("path", "slug", "label"),
    [
        ("adyen/checkout-v71.json", "adyen-checkout", "v71"),
        ("klaviyo/stable-2023-10-15.json", "klaviyo", "2023-10-15"),
        ("talon-one/openapi-v25.17.0.yaml", "talon-one", "v25.17.0"),
        ("sap/edmx/API_PRODUCT_SRV.a.edmx", "sap-edmx-api-product-srv", "a"),
        ("sap/API_OUTBOUND_DELIVERY_SRV_0002.json", "sap-api-outbound-delivery-srv", "0002"),
        ("orders.yaml", "orders", ""),
        ("openapi.yaml", "openapi", ""),
    ],
)
def test_a_path_names_the_api_and_the_version(path, slug, label):
    assert names_from_path(path)[:2] == (slug, label)


def test_versions_are_ordered_as_people_count():
    assert sorted(["v10", "v2", "v2.1"], key=natural) == ["v2", "v2.1", "v10"]


@pytest.mark.django_db
class TestImport:
    @pytest.fixture(autouse=True)
    def _estate(self, db: None) -> None:
        make.estate()

    def test_a_folder_becomes_apis_with_versions_and_twice_is_once(self, tmp_path):
        sources = folder(
            tmp_path,
            **{f"shop__orders-v{n}_dot_json": OPENAPI % (n, n) for n in (10, 2, 1)},
            notes_dot_yaml="just: notes",
            bad_dot_json="{",
        )
        run = importing.run(sources, actor=make.person("ada"), source="estate")
        outcomes = {r.source: (r.outcome, r.code) for r in run.rows.all()}
        assert outcomes["bad.json"] == ("refused", "contract.json_syntax")
        assert outcomes["notes.yaml"][0] == "refused"
        assert [f.label for f in versions.of_api("shop-orders")] == ["v1", "v2", "v10"]
        facts = versions.by_reference("shop-orders@v10")
        assert (facts.state, facts.origin, facts.judged, facts.tier) == ("draft", "imported", False, None)
        entries = AuditEntry.objects.count()
        again = importing.run(sources, actor=make.person("ada"), source="estate")
        assert [r.outcome for r in again.rows.all()].count("unchanged") == 3
        assert AuditEntry.objects.count() == entries + 1

    def test_a_dry_run_says_the_same_and_keeps_only_its_report(self, tmp_path):
        sources = folder(tmp_path, **{f"shop__orders-v{n}_dot_json": OPENAPI % (n, n) for n in (1, 2)})
        run = importing.run(sources, actor=None, source="estate", dry_run=True)
        assert [(r.outcome, r.reference) for r in run.rows.all()] == [
            ("created", "shop-orders@v1"),
            ("created", "shop-orders@v2"),
        ]
        assert not Api.objects.filter(slug="shop-orders").exists()
        assert (run.state, run.done, run.total) == ("done", 2, 2)

    def test_the_same_label_with_another_contract_gets_the_digest_beside_it(self, tmp_path):
        importing.run([ImportSource("shop/orders-v1.json", (OPENAPI % (1, 1)).encode())], actor=None, source="a")
        importing.run([ImportSource("shop/orders-v1.json", (OPENAPI % (1, 2)).encode())], actor=None, source="b")
        labels = [f.label for f in versions.of_api("shop-orders")]
        assert labels[0] == "v1"
        assert labels[1].startswith("v1+")

    def test_graphql_schemas_become_apis_with_operations_and_are_compared(self):
        text = "type Query { order(id: ID!): Order } type Order { id: ID! total: Int }"
        files = [("shop/orders-v1.graphql", text), ("shop/orders-v2.graphql", text.replace(" total: Int", ""))]
        sources = [ImportSource(name, content.encode()) for name, content in files]
        run = importing.run(sources, actor=None, source="estate")
        assert [r.outcome for r in run.rows.all()] == ["created", "created"]
        assert Api.objects.get(slug="shop-orders").style == "graphql"
        stored = {v.label: v.contract for v in ApiVersion.objects.select_related("contract").all()}
        assert [(o["method"], o["path"]) for o in stored["v1"].operations] == [("QUERY", "order")]
        assert stored["v1"].media_type == "application/graphql"
        found = contracts.compare(stored["v1"].digest, stored["v2"].digest, as_of=date(2026, 11, 30))
        assert [(f.rule, f.pointer, f.operations) for f in found.findings] == [
            ("graphql-field-removed", "Order.total", ("QUERY order",))
        ]

    def test_a_wsdl_and_the_schemas_that_it_names_are_one_contract(self, tmp_path):
        main = WSDL.replace('<xs:import namespace="urn:shop:types"/>', '<xs:include schemaLocation="types/more.xsd"/>')
        more = (
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="more" type="xs:int"/></xs:schema>'
        )
        (tmp_path / "types").mkdir()
        (tmp_path / "types/more.xsd").write_text(more)
        (tmp_path / "orders-v1.wsdl").write_text(main)
        run = importing.run(importing.read_sources(tmp_path), actor=None, source="estate")
        [row] = run.rows.all()
        assert row.outcome == "created"
        [version] = ApiVersion.objects.select_related("contract", "api").filter(contract__format="wsdl-1.1")
        assert version.api.style == "soap"
        assert {"CALL OrderPort/place", "ONE-WAY OrderPort/cancel"} <= {
            f"{o['method']} {o['path']}" for o in version.contract.operations
        }
        assert "{urn:shop}more" in contracts.document(version.contract.digest).tree["schemas"]["elements"]

    def test_a_csv_names_owners_and_contracts_and_says_what_it_did_not_understand(self, tmp_path):
        table = (
            "slug;name;owner_team;domain;tier;contract;label;colour\n"
            "orders;Orders;pricing;price;1;orders.json;v1;red\n"
            "basket;Basket;nobody;;9;;;\n;;;;;;;\n;;;;1;;;\n"
        )
        run = importing.run(
            folder(tmp_path, apis_dot_csv=table, orders_dot_json=OPENAPI % (1, 1)), actor=None, source="csv"
        )
        first, second, third = run.rows.all()
        assert (first.outcome, first.reference) == ("created", "orders@v1")
        assert "colour" in first.message
        assert Api.objects.get(slug="orders").owner_team.key == "pricing"
        assert "nobody" in second.message
        assert "9" in second.message
        assert Api.objects.get(slug="basket").owner_team is None
        assert (third.outcome, third.source) == ("refused", "apis.csv, line 5")
        assert run.rows.count() == 3

    def test_backstage_entities_find_each_other_whatever_their_order(self, tmp_path):
        sources = folder(tmp_path, **{"catalog-info_dot_yaml": BACKSTAGE, "orders_dot_json": OPENAPI % (1, 1)})
        run = importing.run(
            [s for s in sources if s.name != "orders.json"] + [s for s in sources if s.name == "orders.json"],
            actor=None,
            source="b",
        )
        by_reference = {r.reference.partition("@")[0]: r for r in run.rows.all()}
        assert Api.objects.get(slug="orders").owner_team.key == "pricing"
        assert versions.of_api("orders")[0].contract_digest
        assert ApiVersion.objects.get(api__slug="basket").state == "draft"
        assert "unknown-team" in by_reference["basket"].message
        assert Team.objects.filter(key="checkout-team").exists()
        assert Application.objects.get(key="web-shop-2").team.key == "pricing"
        assert Dependency.objects.filter(api__slug="basket", target_api__slug="orders").exists()
        assert "no subscription was made" in by_reference["web-shop-2"].message
        assert run.rows.get(code="import.not_here").message.startswith("Nothing to do here for a Resource")

    def test_a_data_contract_becomes_a_schema_that_can_be_compared(self):
        run = importing.run([ImportSource("sales.odcs.yaml", ODCS.encode())], actor=None, source="o")
        facts = versions.by_reference("daily-sales@1.1.0")
        assert (facts.style, facts.data_class, facts.domain_key, facts.state) == (
            "file",
            "personal",
            "price",
            "published",
        )
        document = contracts.document(facts.contract_digest)
        assert "sale" in document.schemas
        assert contracts.original(facts.contract_digest)[0] == ODCS.encode()
        assert "moment" in run.rows.get().message
        changed = ODCS.replace("required: true", "required: false").replace("1.1.0", "1.2.0")
        importing.run([ImportSource("sales.odcs.yaml", changed.encode())], actor=None, source="o")
        assert versions.by_reference("daily-sales@1.2.0") is not None

    @pytest.mark.parametrize(
        "text",
        [
            "kind: API",
            "a: &a [1]\nb: *a\n# backstage.io/",
            "\x00",
            "kind: API\nmetadata: {name: '!!!'}\n# backstage.io/",
            "kind: API\nmetadata: []\n# backstage.io/",
            "kind: 5\n# backstage.io/",
            "kind: DataContract\napiVersion: v9",
            "kind: DataContract\napiVersion: v3.0.0\nname: x",
            "- 1\n# backstage.io/",
        ],
    )
    def test_junk_is_a_row_of_the_report_and_never_an_error(self, text):
        run = importing.run([ImportSource("catalog-info.yaml", text.encode())], actor=None, source="junk")
        assert run.rows.get().outcome == "refused"

    def test_nothing_outside_the_folder_is_read(self, tmp_path):
        (tmp_path / "secret.json").write_text(OPENAPI % (1, 1))
        inner = tmp_path / "inner"
        inner.mkdir()
        (inner / "apis.csv").write_text("slug,contract\nleak,../secret.json\n")
        (inner / "link.json").symlink_to(tmp_path / "secret.json")
        run = importing.run(importing.read_sources(inner), actor=None, source="x")
        assert [(r.outcome, r.code) for r in run.rows.all()] == [("refused", "import.contract_missing")]
        assert not Api.objects.filter(slug="leak").exists()

    def test_architects_import_and_others_do_not(self):
        with pytest.raises(Forbidden):
            importing.run([], actor=make.person("piet"), source="x")
        with pytest.raises(Invalid):
            importing.run([], actor=make.person("ada"), source="x", defaults={"owner_team": "nobody"})
        assert not ImportRun.objects.exists()

    def test_the_command_reports_and_fails_in_one_line(self, tmp_path, capsys):
        folder(tmp_path, **{"shop__orders-v1_dot_json": OPENAPI % (1, 1), "bad_dot_json": "{"})
        call_command("import_estate", str(tmp_path), "--dry-run", "--as", "ada", "--owner-team", "pricing")
        said = capsys.readouterr().out
        assert "Dry run, nothing kept: 2 read: 1 created, 1 refused" in said
        assert "contract.json_syntax" in said
        with pytest.raises(CommandError, match="There is nothing at"):
            call_command("import_estate", str(tmp_path / "nowhere"))
        with pytest.raises(CommandError, match="nobody called"):
            call_command("import_estate", str(tmp_path), "--as", "zoe")

    @pytest.mark.shared_data
    def test_real_contracts_of_one_vendor_are_imported_in_one_go(self, shared_data):
        run = importing.run(importing.read_sources(shared_data / "specs" / "talon-one"), actor=None, source="talon-one")
        assert [r.outcome for r in run.rows.all()] == ["created"] * 3
        assert [f.label for f in versions.of_api("talon-one")] == ["v2.0.0", "v10.0.0", "v25.17.0"]
