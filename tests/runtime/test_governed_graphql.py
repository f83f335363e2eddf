"""A shop's GraphQL service with its schema pinned: queries are held against it at registration, products are read and
an order is placed the governed way, against the emulator of the shop."""

from __future__ import annotations

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
from sandbox.shop import SDL
from tests.runtime import make
from tests.runtime.connectors.test_graphql import AUTH, CREATE, FIND, QUERY

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_SHOP_CREDENTIALS", '{"key": "sandbox"}')


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    with Sandbox(state=tmp_path / "sandbox", ports={"shop": 0}, seed=7) as running:
        yield running.shop


def catalog(url: str, folder: Path) -> None:
    (folder / "shop.graphql").write_text(SDL)
    endpoint = {"base_url": url, "auth_kind": "header", "secret_ref": "env:SANDBOX_SHOP_CREDENTIALS"}
    version = {"label": "v1", "contract": "shop.graphql", "state": "published", "published_at": "2025-01-01T00:00:00Z"}
    api = {
        "slug": "shop-admin",
        "name": "Shop",
        "purpose": "Shop",
        "domain": "orders",
        "owner_team": "shop-team",
        "layer": "system",
        "style": "graphql",
        "tier": 2,
        "data_class": "internal",
        "system": "shop",
        "versions": [version],
        "entities": [{"entity": "product", "access": "authoritative_read"}, {"entity": "order", "access": "command"}],
    }
    systems = [
        {"key": "shop", "name": "Shop", "owner_team": "shop-team", "endpoints": {"production": endpoint}},
        {"key": "till", "name": "Till", "owner_team": "shop-team"},
        {"key": "read-model", "name": "Read model", "owner_team": "shop-team"},
    ]
    given = {
        "blueprint": 1,
        "teams": [{"key": "shop-team", "name": "Shop", "kind": "domain"}],
        "environments": [{"key": "production", "name": "Production"}],
        "domains": [{"key": "orders", "name": "Orders", "owner_team": "shop-team"}],
        "systems": systems,
        "tiers": [{"level": level, "name": f"Tier {level}", "rules": {}} for level in range(4)],
        "entities": [{"key": key, "name": key, "domain": "orders"} for key in ("product", "order")],
        "boundaries": [
            {"entity": key, "system": "shop", "from": "2024-01-01T00:00:00Z"} for key in ("product", "order")
        ],
        "apis": [api],
    }
    blueprint.apply(given, actor=None, base_dir=folder)


def deploy(manifest: dict[str, Any]) -> None:
    release = integrations.register(integrations.pinned(manifest), actor=None)
    name = manifest["integration"]
    with connections.connected() as conn:
        make.approval(conn, subject_id=name, digest=release.digest)
    approval = approvals.require(Subject("integration", name, release.digest), release.digest, "production")
    deployments.deploy(name, approval=approval, actor=None)


def work() -> None:
    WorkerLoop(poll=0.05).run(until_idle=True, seconds=60)


def products(**settings: Any) -> dict[str, Any]:
    own = {"query": QUERY, "connection": "products", "size": 9, "key_fields": ["id"], "path": "/admin/graphql.json"}
    changes = {"variable": "filter", "field": "updatedAt", "value": "updated_at:>='{since}'"}
    connection = {"protocol": "graphql", "settings": {**own, "auth": AUTH, "changes": changes, **settings}}
    fields = [
        {"to": "product", "from": "id", "type": "string", "required": True},
        {"to": "title", "from": "title", "type": "string"},
    ]
    source = {"name": "product", "system": "shop", "api": "shop-admin@v1", "contract": "current"}
    return {
        "integration": "shop-products",
        "title": "Products",
        "domain": "orders",
        "owner": "shop-team",
        "tier": 2,
        "lanes": 2,
        "event": {"name": "product.changed", "meaning": "state"},
        "sources": [{**source, "schema": "/types/Product", "connection": connection}],
        "targets": [
            {
                "name": "read-model",
                "system": "read-model",
                "idempotency": "N",
                "table": {"name": "shop_target", "key": ["product"]},
                "writes": [{"entity": "product", "kind": "replica"}],
                "mapping": {"mapping": "product", "version": 1, "fields": fields},
            }
        ],
    }


def orders(**settings: Any) -> dict[str, Any]:
    own = {"mutation": CREATE, "input": "order", "reference": "order.id", "idempotency": "L", "lookup": FIND}
    connection = {"protocol": "graphql", "settings": {"path": "/admin/graphql.json", "auth": AUTH, **own, **settings}}
    fields = [
        {"to": "reference", "from": "id", "type": "string", "required": True},
        {"to": "total", "from": "total", "type": "string", "required": True},
    ]
    return {
        "integration": "shop-orders",
        "title": "Orders",
        "domain": "orders",
        "owner": "shop-team",
        "tier": 2,
        "lanes": 2,
        "event": {"name": "order.placed", "meaning": "fact", "key": "/id"},
        "sources": [{"name": "till", "system": "till"}],
        "targets": [
            {
                "name": "shop",
                "system": "shop",
                "api": "shop-admin@v1",
                "contract": "current",
                "schema": "/types/OrderInput",
                "idempotency": "L",
                "ask_by": "{reference}",
                "deadline": 5,
                "connection": connection,
                "writes": [{"entity": "order", "kind": "command"}],
                "mapping": {"mapping": "order", "version": 1, "fields": fields},
            }
        ],
    }


UNFIT = [
    (products(query=QUERY.replace("title", "headline")), "/sources/0/connection/settings/query", "headline"),
    (products(query=QUERY.replace("$first: Int!", "$first: String")), "/sources/0/connection/settings/query", "first"),
    (
        orders(mutation=CREATE.replace("orderCreate(order", "orderMake(order")),
        "/targets/0/connection/settings/mutation",
        "orderMake",
    ),
    (
        orders(lookup={**FIND, "query": FIND["query"].replace("total", "sum")}),
        "/targets/0/connection/settings/lookup/query",
        "sum",
    ),
]


@pytest.mark.parametrize(("manifest", "pointer", "words"), UNFIT)
def test_a_query_that_the_pinned_schema_does_not_answer_is_refused_at_registration(
    tmp_path: Path, manifest: dict[str, Any], pointer: str, words: str
) -> None:
    catalog("http://127.0.0.1:9", tmp_path)
    with pytest.raises(Invalid) as told:
        integrations.register(integrations.pinned(manifest), actor=None)
    (found,) = [one for one in told.value.findings if one["code"] == "query.unfit"]
    assert found["pointer"] == pointer
    assert words in found["message"]


def test_products_of_a_shop_are_read_whole_and_delivered(tmp_path: Path, shop: Any) -> None:
    with connections.connected() as conn:
        conn.execute("create table shop_target (product text primary key, title text, _position bigint not null)")
        catalog(shop.url, tmp_path)
        deploy(products())
        run = runs.start("shop-products", "production", trigger="manual")
        work()
        run.refresh_from_db()
        reasons = list(RejectedMessage.objects.values_list("reason", flat=True)[:3])
        assert (run.state, run.error, run.read, run.rejected_count) == ("succeeded", "", 40, 0), reasons
        found = conn.execute("select count(*), min(title) from shop_target").fetchone()
        conn.execute("drop table shop_target")
    assert found == (40, "Product 1")


def test_an_order_is_placed_once_although_its_answer_was_lost(tmp_path: Path, shop: Any) -> None:
    catalog(shop.url, tmp_path)
    deploy(orders())
    shop.fault("cut_after", next=1)
    intake.accept("shop-orders", "production", [{"id": "T-1", "total": "12.50"}])
    work()
    assert not QuarantinedMessage.objects.exists(), list(QuarantinedMessage.objects.values_list("reason", flat=True))
    assert [entry.ref for entry in shop.journal() if entry.effect == "order.created"] == ["T-1"]
