"""What the tills push: two integrations of the product's own catalog, and plans that a seed decides.

`campaign-sales`: facts (a sale happens once) to four targets, one of each idempotency class: every sale to the ERP's
posting endpoint (N), some as sales orders by OData (L, one document a call), some as points at the loyalty engine (K),
some as bonus points under a key that is all that protects them, for nobody can be asked about them (K), some as gift
points that are sent without a key and cannot be asked about (U). `campaign-prices`: states with growing versions to two
stores and to a table of the product's database. Every document that reaches a vendor carries the number of the release
that sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runtime.domain.manifest import ManifestTarget

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
SALES, PRICES = "campaign-sales", "campaign-prices"
STORES = ("1", "2")
TABLE = "campaign_price"
ONCE = 10_000  # items from this number on have one price in their life
REFUSED_FROM = (
    4  # prices of every 17th item are refused from this version on: dead letters, and others waiting behind them
)
SETTLE = 6.0  # seconds: the vendors' own time limit, as the manifests declare it
KEY_KEPT = 18.0  # seconds for which the loyalty engine knows a key; a manifest cannot say less than a minute
LONG_DEADLINE = 4.0  # seconds: a call that may last longer than a lease
ORDERS, POINTS, GIFTS, BONUS = (1,), (0, 3, 6), (2,), (4, 7)  # which sales of a batch go to which further target


@dataclass(frozen=True, slots=True)
class FactTarget:
    """One target of the sales: where its effects are in the journals, and which sales of a batch it gets."""

    name: str
    journal: str
    effect: str
    idempotency: str
    indexes: tuple[int, ...] | None = None  # None: every sale
    prefix: str = ""  # of the business reference
    after: str = ""  # the target that must have a sale first

    def gets(self, index: int) -> bool:
        return self.indexes is None or index in self.indexes

    def names(self, reference: str) -> bool:
        """Whether this business reference is one of its own."""
        return reference.startswith(self.prefix) if self.prefix else not reference.startswith(PREFIXES)


FACT_TARGETS = (
    FactTarget("erp-sales", "erp", "sale.posted", "N"),
    FactTarget("erp-orders", "erp", "salesorder.created", "L", ORDERS),
    FactTarget("loyalty-points", "loyalty", "points.earned", "K", POINTS, after="erp-sales"),
    FactTarget("loyalty-gifts", "loyalty", "points.earned", "U", GIFTS, "gift "),
    FactTarget("loyalty-bonus", "loyalty", "points.earned", "K", BONUS, "bonus "),
)
PREFIXES = tuple(target.prefix for target in FACT_TARGETS if target.prefix)


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches of one till. Batch n holds `sales` new sales and one new version of `prices` items."""

    seed: int
    till: int
    batches: int
    sales: int = 10
    prices: int = 4
    items: int = 40
    again: int = 12  # every so many batches the one before is pushed a second time

    def batch(self, number: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        if self.sales:
            yield SALES, self._sales(number)
            if self.again and number and number % self.again == 0:
                yield SALES, self._sales(number - 1)
        if self.prices:
            yield PRICES, self._prices(number)
            if self.again and number % self.again == 1:
                yield PRICES, self._prices(number)

    def _sales(self, number: int) -> list[dict[str, Any]]:
        first = number * self.sales
        line = {"sequence": 1, "kind": "sale", "item": "4711", "quantity": 1, "amount": 10}
        common = {
            "kind": "retail",
            "store": "1",
            "till": str(self.till),
            "businessDate": "2026-11-23",
            "currency": "EUR",
            "total": 10,
            "lines": [line],
        }
        return [{"id": self.sale(number, i), "sequence": first + i, **common, **_more(i)} for i in range(self.sales)]

    def sale(self, number: int, index: int) -> str:
        return f"{self.seed}/{self.till}/2026-11-23/{number * self.sales + index}"

    def _prices(self, number: int) -> list[dict[str, Any]]:
        made = []
        for item, version in self._items(number):
            made.append(price(name(self.seed, self.till, item), item, version))
        return made

    def _items(self, number: int) -> Iterator[tuple[int, int]]:
        """(item, version): the first of each batch is priced only once, so that nothing newer can hide its loss; the
        others in turn."""
        yield ONCE + number, 1
        for i in range(self.prices - 1):
            version, item = divmod(number * (self.prices - 1) + i, self.items)
            yield item, version + 1

    def expected_sales(self, gets: Callable[[int], bool] = lambda index: True) -> set[str]:
        return {self.sale(number, i) for number in range(self.batches) for i in range(self.sales) if gets(i)}

    def expected_prices(self) -> dict[str, int]:
        """Newest version by item."""
        newest: dict[str, int] = {}
        for number in range(self.batches):
            for item, version in self._items(number):
                newest[name(self.seed, self.till, item)] = version
        return newest


def _more(index: int) -> dict[str, Any]:
    """What sends a sale to a further target."""
    made: dict[str, Any] = {}
    if index in ORDERS:
        made["customer"] = "1000001"
    if index in POINTS:
        made["loyalty"] = ["7000001"]
    if index in GIFTS:
        made["operator"] = "gift"
    if index in BONUS:
        made["operator"] = "bonus"
    return made


def name(seed: int, till: int, item: int) -> str:
    return f"p{seed}-{till}-{item:04d}"


def refused_from(item: str) -> int | None:
    """The first version of an item that stores refuse, None for a sound one."""
    return REFUSED_FROM if int(item.rsplit("-", 1)[1]) % 17 == 3 else None


def price(key: str, item: int, version: int) -> dict[str, Any]:
    wrong = refused_from(key)
    return {
        "id": key,
        "version": version,
        "price": "-1.00" if wrong and version >= wrong else f"{version}.{item % 100:02d}",
        "currency": "EUR",
    }


def manifests(
    build: int, *, deadline: float, batch: int = 20, table: bool = True, authority: str = ""
) -> dict[str, dict[str, Any]]:
    """Both manifests at one build, cut from the demo's own; `table`: with the copy in the database and the targets of
    the other idempotency classes; `authority`: the CA file for the loyalty engine."""
    sales = yaml.safe_load((DEMO / "integrations" / "sales.yaml").read_text())
    prices = yaml.safe_load((DEMO / "integrations" / "products-and-prices.yaml").read_text())
    sales |= {"integration": SALES, "title": "Campaign sales", "note": f"build {build}", "lanes": 4}
    prices |= {"integration": PRICES, "title": "Campaign prices", "note": f"build {build}", "lanes": 4}
    for made in (sales, prices):
        made.pop("schedule", None)
    sales["sources"][0].pop("connection")
    erp = next(target for target in sales["targets"] if target["name"] == "erp-sales")
    erp |= {"when": "kind == 'retail'", "batch": batch, "deadline": deadline}
    erp.pop("schema", None)
    erp["connection"] = _with_jobs("retail-sales")
    erp["mapping"]["fields"].append({"to": "entity", "constant": f"build {build}"})
    sales["targets"] = [erp, *(_further_targets(erp, build, deadline, batch, authority) if table else [])]
    source = next(one for one in prices["sources"] if one["name"] == "price")
    for gone in ("connection", "schema", "valid"):
        source.pop(gone, None)
    prices["sources"] = [source]
    prices["event"] = {"name": "price.changed", "meaning": "state", "key": "/id"}
    store = next(target for target in prices["targets"] if target["name"] == "store-prices")
    store |= {"instances": list(STORES), "coalesce": False, "batch": batch, "deadline": deadline}
    for gone in ("when", "schema", "source", "zones", "holds_dates", "dated_version"):
        store.pop(gone, None)
    fields = [
        {"to": "id", "from": "id", "type": "string", "required": True},
        {"to": "version", "from": "version", "type": "integer", "required": True},
        {"to": "price", "from": "price", "type": "decimal", "scale": 2, "write": "text", "required": True},
        {"to": "currency", "from": "currency", "type": "string", "max_length": 3, "required": True},
    ]
    store["mapping"] = {
        "mapping": "campaign-price",
        "version": "1",
        "fields": [*fields, {"to": "build", "constant": str(build)}],
    }
    prices["targets"] = [store]
    if table:
        prices["targets"].append(
            {
                "name": "price-copy",
                "system": store["system"],
                "table": {"name": TABLE, "key": ["id"]},
                "idempotency": "N",
                "batch": batch,
                "writes": store["writes"],
                "mapping": {"mapping": "campaign-copy", "version": "1", "fields": fields},
            }
        )
    for target in (*sales["targets"], *prices["targets"]):
        if "table" not in target and "settle" in ManifestTarget.__struct_fields__:
            target["settle"] = SETTLE
    return {SALES: sales, PRICES: prices}


def _further_targets(
    erp: dict[str, Any], build: int, deadline: float, batch: int, authority: str
) -> list[dict[str, Any]]:
    """The targets of classes L, K and U."""
    common = {"batch": batch, "deadline": deadline, "contract": "current"}
    orders = {
        **common,
        "name": "erp-orders",
        "system": erp["system"],
        "api": erp["api"],
        "when": "exists(customer)",
        "connection": {"protocol": "odata_v2", "profile": "s4hana-sales-order"},
        "ask_by": "key",
        "idempotency": "L",
        "batch": 5,
        "writes": erp["writes"],
        "mapping": _mapping(
            "campaign-order",
            {"to": "SalesOrderType", "constant": "OR"},
            {"to": "SalesOrganization", "constant": "1010"},
            {"to": "SoldToParty", "from": "customer", "type": "string", "max_length": 10, "required": True},
            {"to": "PurchaseOrderByCustomer", "from": "id", "type": "string", "max_length": 35, "required": True},
            {"to": "ExternalDocumentID", "constant": f"build {build}"},
            {
                "to": "to_Item",
                "from": "lines",
                "required": True,
                "each": [
                    {"to": "Material", "from": "item", "type": "string", "max_length": 40, "required": True},
                    {"to": "RequestedQuantity", "constant": "1"},
                ],
            },
        ),
    }
    loyalty = {
        **common,
        "system": "loyalty",
        "api": "loyalty-earn@v1",
        "writes": [{"entity": "loyalty-account", "attribute_group": None, "kind": "command"}],
    }
    known = {"verify": f"file:{authority}"} if authority else {}
    points = {
        **loyalty,
        "name": "loyalty-points",
        "when": "count(loyalty[]) > 0",
        "after": "erp-sales confirmed",
        "connection": _with_jobs("loyalty", **known),
        "address": {"program": "main"},
        "ask_by": "idempotency_key",
        "idempotency": "K",
        "deadline": LONG_DEADLINE,
        "mapping": _mapping(
            "campaign-points",
            {"to": "profileId", "constant": f"build {build}"},
            {"to": "type", "constant": "earn"},
            {"to": "points", "constant": "1"},
            {"to": "reference", "from": "id", "type": "string", "max_length": 128, "required": True},
        ),
    }
    gifts, bonus = (
        {
            **loyalty,
            "name": f"loyalty-{name}",
            "when": f"operator == '{word}'",
            "connection": {"protocol": "rest", "settings": settings | known},
            "address": {"program": "main", "profile": f"build {build}"},
            "idempotency": settings["idempotency"],
            **({"key_kept": 86_400} if settings["idempotency"] == "K" else {}),
            "batch": 1,
            "mapping": _mapping(
                f"campaign-{name}",
                {"to": "points", "constant": "1"},
                {"to": "reference", "formula": f"concat('{word} ', id)", "type": "string", "required": True},
            ),
        }
        for name, word, settings in (("gifts", "gift", GIFT_SETTINGS), ("bonus", "bonus", BONUS_SETTINGS))
    )
    return [orders, points, gifts, bonus]


def _with_jobs(profile: str, **more: Any) -> dict[str, Any]:
    """A connection by this profile to a vendor whose lookup says of a batch that was answered 202 what is pending."""
    return {
        "protocol": "rest",
        "profile": profile,
        "settings": {"lookup": {"status": "status", "pending": ["pending"]}, **more},
    }


GIFT_SETTINGS: dict[str, Any] = {
    "path": "/v1/loyalty_programs/{program}/profile/{profile}/add_points",
    "method": "POST",
    "idempotency": "U",
    "reference": "transaction",
    "check_path": "/v1/loyalty_programs/main",
    "max_batch": 5,
    "auth": {"kind": "header", "name": "Authorization", "prefix": "ApiKey-v1 "},
    "errors": {"code": ["errors.0.title"], "message": ["message"]},
    "success": {"job": "job"},
    "job": {"path": "/jobs/{job}", "confirmed": ["done"], "pending": ["pending"], "refused": ["refused"]},
}
BONUS_SETTINGS = GIFT_SETTINGS | {"idempotency": "K", "idempotency_header": "Idempotency-Key"}


def _mapping(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"mapping": name, "version": "1", "fields": list(fields)}
