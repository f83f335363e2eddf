"""The master data a sandbox is loaded with: products, prices, stock, stores, loyalty members; and its form as ERP rows.

Neutral to its origin: `demo_data` generates one, `realdata` reads one from real retail files, `dataset.json` keeps one.
Amounts and quantities are decimal strings, dates are ISO text.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from sandbox.wire import Row, wire_date, wire_instant

SALES_ORG, CHANNEL = "1710", "10"
FOREVER = "9999-12-31"


class Product(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str  # material number, 18 digits with leading zeros
    description: str
    changed: str  # ISO instant, UTC
    created: str  # ISO date
    texts: dict[str, str] = {}  # further languages
    old_id: str = ""
    gtin: str = ""
    unit: str = "EA"
    group: str = ""
    size: str = ""
    weight: str | None = None
    weight_unit: str = ""
    cost: str | None = None
    plants: list[str] = []
    blocked: bool = False
    deleted: bool = False


class Price(msgspec.Struct, kw_only=True, omit_defaults=True):
    product: str
    amount: str
    currency: str
    valid_from: str
    changed: str
    valid_to: str = FOREVER


class Stock(msgspec.Struct, kw_only=True, omit_defaults=True):
    product: str
    plant: str
    quantity: str
    location: str = "0001"
    unit: str = "EA"


class Site(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    name: str = ""
    plant: str = ""
    tills: int = 3


class Member(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    points: str = "0"


class Dataset(msgspec.Struct, kw_only=True):
    origin: str
    currency: str
    products: list[Product] = []
    prices: list[Price] = []
    stock: list[Stock] = []
    sites: list[Site] = []
    members: list[Member] = []


def save(data: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n")


def read(path: Path) -> Dataset:
    return msgspec.json.decode(path.read_bytes(), type=Dataset)


def load(directory: Path | None, *, seed: int = 1, stores: int | None = None, products: int = 60) -> Dataset:
    """The data set of a directory (`dataset.json`, or AdventureWorks files at any of the usual places), or a generated
    one.
    """
    from sandbox import demo_data, realdata

    if directory is None:
        data = demo_data.make(seed=seed, products=products, stores=stores or 6)
    elif (directory / "dataset.json").is_file():
        data = read(directory / "dataset.json")
    else:
        data = realdata.load_adventureworks(realdata.find(directory, "adventureworks"), stores=stores or 6)
    if stores is not None:
        data.sites = data.sites[:stores] + [Site(id=str(number)) for number in range(len(data.sites) + 1, stores + 1)]
    return data


# --- as ERP rows
# --------------------------------------------------------------------------------------------------------


def erp_rows(data: Dataset) -> Iterator[tuple[str, str, Row]]:
    """(service, entity set, row) for everything the ERP knows."""
    for product in data.products:
        yield from _product_rows(product, data.currency)
    for number, price in enumerate(data.prices, 1):
        yield "API_SLSPRICINGCONDITIONRECORD_SRV", "A_SlsPrcgConditionRecord", _price_row(price, number)
    for item in data.stock:
        yield (
            "API_MATERIAL_STOCK_SRV",
            "A_MatlStkInAcctMod",
            {
                "Material": item.product,
                "Plant": item.plant,
                "StorageLocation": item.location,
                "InventoryStockType": "01",
                "MaterialBaseUnit": item.unit,
                "MatlWrhsStkQtyInMatlBaseUnit": item.quantity,
            },
        )


def _product_rows(product: Product, currency: str) -> Iterator[tuple[str, str, Row]]:
    service, unit = "API_PRODUCT_SRV", product.unit
    changed = instant(product.changed)
    yield (
        service,
        "A_Product",
        {
            "Product": product.id,
            "ProductType": "HAWA",
            "CrossPlantStatus": "01" if product.blocked else "",
            "CreationDate": wire_date(date.fromisoformat(product.created)),
            "CreatedByUser": "MIGRATION",
            "LastChangeDate": wire_date(changed.date()),
            "LastChangedByUser": "MIGRATION",
            "LastChangeDateTime": wire_instant(changed),
            "IsMarkedForDeletion": product.deleted,
            "ProductOldID": product.old_id,
            "GrossWeight": product.weight or "0.000",
            "NetWeight": product.weight or "0.000",
            "WeightUnit": product.weight_unit,
            "CountryOfOrigin": "",
            "ProductGroup": product.group,
            "BaseUnit": unit,
            "ItemCategoryGroup": "NORM",
            "ProductHierarchy": "",
            "Division": "00",
            "Brand": "",
            "ValidityStartDate": None,
            "SizeOrDimensionText": product.size,
            "ProductStandardID": product.gtin,
            "InternationalArticleNumberCat": "HE" if product.gtin else "",
            "IsBatchManagementRequired": False,
        },
    )
    for language, text in {"EN": product.description, **product.texts}.items():
        yield (
            service,
            "A_ProductDescription",
            {"Product": product.id, "Language": language, "ProductDescription": text[:40]},
        )
    for plant in product.plants:
        yield (
            service,
            "A_ProductPlant",
            {
                "Product": product.id,
                "Plant": plant,
                "ProfileCode": "",
                "AvailabilityCheckType": "02",
                "CountryOfOrigin": "",
                "MRPType": "ND",
                "BaseUnit": unit,
                "IsMarkedForDeletion": False,
            },
        )
    yield (
        service,
        "A_ProductSalesDelivery",
        {
            "Product": product.id,
            "ProductSalesOrg": SALES_ORG,
            "ProductDistributionChnl": CHANNEL,
            "ItemCategoryGroup": "NORM",
            "ProductSalesStatus": "",
            "BaseUnit": unit,
            "IsMarkedForDeletion": product.deleted,
        },
    )
    if product.cost is not None:
        for plant in product.plants:
            yield (
                service,
                "A_ProductValuation",
                {
                    "Product": product.id,
                    "ValuationArea": plant,
                    "ValuationType": "",
                    "StandardPrice": product.cost,
                    "PriceUnitQty": "1",
                    "Currency": currency,
                    "PriceLastChangeDate": wire_date(changed.date()),
                    "BaseUnit": unit,
                },
            )
    yield "API_MATERIAL_STOCK_SRV", "A_MaterialStock", {"Material": product.id, "MaterialBaseUnit": unit}


def _price_row(price: Price, number: int) -> Row:
    return {
        "ConditionRecord": f"{number:010d}",
        "ConditionSequentialNumber": "001",
        "ConditionTable": "304",
        "ConditionApplication": "V",
        "ConditionType": "PPR0",
        "Material": price.product,
        "SalesOrganization": SALES_ORG,
        "DistributionChannel": CHANNEL,
        "ConditionValidityStartDate": wire_date(date.fromisoformat(price.valid_from)),
        "ConditionValidityEndDate": wire_date(date.fromisoformat(price.valid_to)),
        "ConditionRateValue": price.amount,
        "ConditionRateValueUnit": price.currency,
        "ConditionQuantity": "1",
        "ConditionQuantityUnit": "EA",
        "ConditionIsDeleted": False,
        "CreationDate": wire_date(date.fromisoformat(price.valid_from)),
        "LastChangeDateTime": wire_instant(instant(price.changed)),
    }


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def summary(data: Dataset) -> dict[str, Any]:
    return {
        "origin": data.origin,
        "products": len(data.products),
        "prices": len(data.prices),
        "stock": len(data.stock),
        "stores": len(data.sites),
        "members": len(data.members),
    }
