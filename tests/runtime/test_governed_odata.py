"""SAP's real product and sales-order metadata, pinned: every row of the product master is accepted with the profile as
it is, and an order goes the governed way: registered, approved, created without the numbers that the ERP gives, and
updated. The ERP is the emulator for orders, and a server with rows of every published field for products.

Skipped where SAP's published metadata are not on this machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.services import blueprint
from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import Invalid
from runtime.ledger import connections
from runtime.models import QuarantinedMessage, RejectedMessage
from runtime.services import deployments, intake, integrations, runs
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from tests.runtime import make
from tests.runtime.connectors.server import Server
from tests.runtime.test_asked_of_services import S4, needs_s4, row_of
from tillgate_contracts.reading import read

pytestmark = [pytest.mark.django_db(transaction=True), needs_s4]
PRODUCTS, ORDERS = "API_PRODUCT_SRV.b.edmx", "API_SALES_ORDER_SRV.edmx"
COUNT = 1_000


def api(slug: str, contract: str, entity: str, access: str) -> dict[str, Any]:
    version = {"label": "v1", "contract": contract, "state": "published", "published_at": "2025-01-01T00:00:00Z"}
    return {
        "slug": slug,
        "name": slug,
        "purpose": slug,
        "domain": "orders",
        "owner_team": "erp-team",
        "layer": "system",
        "style": "odata",
        "tier": 2,
        "data_class": "internal",
        "system": "s4",
        "versions": [version],
        "entities": [{"entity": entity, "access": access}],
    }


def catalog(url: str, folder: Path) -> None:
    for file in (PRODUCTS, ORDERS):
        shutil.copy(S4 / file, folder)
    endpoint = {"base_url": url, "auth_kind": "basic", "secret_ref": "env:SANDBOX_ERP_CREDENTIALS"}
    given = {
        "blueprint": 1,
        "teams": [{"key": "erp-team", "name": "ERP", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "orders", "name": "Orders", "owner_team": "erp-team"}],
        "systems": [
            {"key": "s4", "name": "S/4HANA", "owner_team": "erp-team", "endpoints": {"production": endpoint}},
            {"key": "shop", "name": "Web shop", "owner_team": "erp-team"},
            {"key": "read-model", "name": "Read model", "owner_team": "erp-team"},
        ],
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": key, "name": key, "domain": "orders"} for key in ("product", "order")],
        "boundaries": [
            {"entity": "product", "system": "s4", "from": "2024-01-01T00:00:00Z"},
            {"entity": "order", "system": "s4", "from": "2024-01-01T00:00:00Z"},
        ],
        "apis": [
            api("s4-product", PRODUCTS, "product", "authoritative_read"),
            api("s4-order", ORDERS, "order", "command"),
        ],
    }
    blueprint.apply(given, actor=None, base_dir=folder)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_ERP_CREDENTIALS", "TILLGATE:sandbox")


def deploy(manifest: dict[str, Any]) -> None:
    release = integrations.register(integrations.pinned(manifest), actor=None)
    name = manifest["integration"]
    with connections.connected() as conn:
        make.approval(conn, subject_id=name, digest=release.digest)
    approval = approvals.require(Subject("integration", name, release.digest), release.digest, "production")
    deployments.deploy(name, approval=approval, actor=None)


def work() -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=60)


def product_manifest(**settings: Any) -> dict[str, Any]:
    connection = {"protocol": "odata_v2", "profile": "s4hana-cloud", "settings": settings}
    fields = [
        {"to": "product", "from": "Product", "type": "string", "required": True},
        {"to": "unit", "from": "BaseUnit", "type": "string"},
    ]
    return {
        "integration": "product-feed",
        "title": "Products",
        "domain": "orders",
        "owner": "erp-team",
        "tier": 2,
        "lanes": 2,
        "sources": [
            {
                "name": "product",
                "system": "s4",
                "api": "s4-product@v1",
                "contract": "current",
                "schema": "/components/schemas/A_ProductType",
                "connection": connection,
            }
        ],
        "event": {"name": "product.changed", "meaning": "state"},
        "targets": [
            {
                "name": "read-model",
                "system": "read-model",
                "table": {"name": "product_target", "key": ["product"]},
                "idempotency": "N",
                "writes": [{"entity": "product", "kind": "replica"}],
                "mapping": {"mapping": "product", "version": 1, "fields": fields},
            }
        ],
    }


class Products:
    """Serves a thousand rows with every published field, as Gateway does: links for what is not expanded, and what is
    selected alone. It pages by position, for it is asked by position."""

    def __init__(self) -> None:
        document = read((S4 / PRODUCTS).read_bytes())
        row = row_of(document, "A_ProductType")
        text = row_of(document, "A_ProductDescriptionType")
        row["to_Description"] = {"results": [text]}
        self.rows = [
            {**row, "Product": f"P{n:05}", "BaseUnit": "PC", "LastChangeDateTime": f"/Date({(n + 1) * 1000}+0000)/"}
            for n in range(COUNT)
        ]

    def answer(self, seen: Any) -> Any:
        asked = seen.query.get("$filter", "")
        rows = [] if "eq null" in asked else [row for row in self.rows if not asked or self._at(asked) <= self._of(row)]
        select = [one for one in seen.query.get("$select", "").split(",") if one]
        page = [{k: v for k, v in row.items() if not select or k in select or k == "__metadata"} for row in rows[:200]]
        return 200, {}, {"d": {"results": page, **({"__next": "more"} if len(rows) > 200 else {})}}

    def _of(self, row: dict[str, Any]) -> int:
        return int(row["LastChangeDateTime"][6:].partition("+")[0]) // 1000

    def _at(self, asked: str) -> int:
        clock = asked.partition("ge datetimeoffset'1970-01-01T")[2]
        hours, minutes, seconds = (int(one) for one in clock[:8].split(":"))
        return hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("settings", [{}, {"select": ["BaseUnit"]}], ids=["as the profile is", "with a selection"])
def test_every_row_of_the_real_product_model_is_accepted_and_delivered(tmp_path: Path, settings: Any) -> None:
    with Server(Products().answer) as server, connections.connected() as conn:
        conn.execute("create table product_target (product text primary key, unit text, _position bigint not null)")
        catalog(server.url, tmp_path)
        deploy(product_manifest(**settings))
        run = runs.start("product-feed", "production", trigger="manual")
        work()
        run.refresh_from_db()
        reasons = list(RejectedMessage.objects.values_list("reason", flat=True)[:3])
        assert (run.state, run.error, run.read, run.rejected_count) == ("succeeded", "", COUNT, 0), reasons
        found = conn.execute("select count(*), min(unit), max(unit) from product_target").fetchone()
        conn.execute("drop table product_target")
    assert found == (COUNT, "PC", "PC")


def test_a_mapping_that_reads_what_is_not_selected_is_refused_at_registration(tmp_path: Path) -> None:
    catalog("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Invalid) as told:
        integrations.register(integrations.pinned(product_manifest(select=["ProductType"])), actor=None)
    assert "BaseUnit" in str(told.value.data)


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path / "sandbox", ports={"erp": 0}, seed=7) as running:
        yield running


def order_manifest(name: str, fields: list[Any], schema: str, **target: Any) -> dict[str, Any]:
    connection = {"protocol": "odata_v2", "profile": "s4hana-sales-order", **target.pop("connection", {})}
    return {
        "integration": name,
        "title": name,
        "domain": "orders",
        "owner": "erp-team",
        "tier": 2,
        "lanes": 2,
        "sources": [{"name": "shop", "system": "shop"}],
        "event": {"name": "order.placed", "meaning": "fact", "key": "/id"},
        "targets": [
            {
                "name": "erp",
                "system": "s4",
                "api": "s4-order@v1",
                "contract": "current",
                "schema": f"/components/schemas/{schema}",
                "connection": connection,
                "idempotency": "L",
                "ask_by": "{PurchaseOrderByCustomer}",
                "deadline": 5,
                "writes": [{"entity": "order", "kind": "command"}],
                "mapping": {"mapping": name, "version": 1, "fields": fields},
                **target,
            }
        ],
    }


def test_an_order_is_registered_created_and_updated_the_governed_way(tmp_path: Path, erp: Sandbox) -> None:
    catalog(erp.erp.url, tmp_path)
    line = [{"to": "Material", "from": "item", "type": "string"}, {"to": "RequestedQuantity", "constant": "2"}]
    reference = {"to": "PurchaseOrderByCustomer", "from": "id", "type": "string", "required": True}
    fields = [
        {"to": "SalesOrderType", "constant": "OR"},
        {"to": "SalesOrganization", "constant": "1010"},
        {"to": "SoldToParty", "from": "customer", "type": "string", "required": True},
        reference,
        {"to": "to_Item", "from": "lines", "required": True, "each": line},
    ]
    deploy(order_manifest("order-create", fields, "A_SalesOrderType-create"))
    order = {"id": "WEB-1", "customer": "0010100001", "lines": [{"item": "TG11"}]}
    intake.accept("order-create", "production", [order])
    work()
    assert not QuarantinedMessage.objects.exists(), list(QuarantinedMessage.objects.values_list("reason", flat=True))
    (created,) = [entry for entry in erp.erp.journal() if entry.effect == "salesorder.created"]
    assert created.ref == "WEB-1"

    number = {"to": "SalesOrder", "from": "number", "type": "string", "required": True}
    update = {
        "operation": "update",
        "match": "fetch",
        "not_sent": ["SalesOrder"],
        "lookup": None,
        "reference": None,
        "idempotency": "N",
    }
    given = order_manifest(
        "order-update",
        [number, {"to": "ExternalDocumentID", "from": "document", "type": "string"}],
        "A_SalesOrderType-update",
        connection={"settings": update},
        address={"SalesOrder": "{SalesOrder}"},
        idempotency="N",
        ask_by="{SalesOrder}",
    )
    deploy(given)
    intake.accept("order-update", "production", [{"id": "U-1", "number": created.entity, "document": "CHANGED"}])
    work()
    assert not QuarantinedMessage.objects.exists(), list(QuarantinedMessage.objects.values_list("reason", flat=True))
    changes = [entry for entry in erp.erp.journal() if entry.effect == "entity.changed"]
    assert [one.data["row"]["ExternalDocumentID"] for one in changes if one.data] == ["CHANGED"]
