"""The master data as rows of the emulated ERP's OData services (SAP S/4HANA)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sandbox.dataset_types import Dataset, Price, Product, instant
from sandbox.wire import Row, wire_date, wire_instant

SALES_ORG, CHANNEL = "1710", "10"
EntityRow = tuple[str, str, Row]


def erp_rows(data: Dataset) -> Iterator[EntityRow]:
    """Everything in the ERP, as (service, entity set, row)."""
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


def _product_rows(product: Product, currency: str) -> Iterator[EntityRow]:
    """A product is spread over entity sets: general data, descriptions, plants, sales, valuation, stock unit."""
    service, unit = "API_PRODUCT_SRV", product.unit
    yield service, "A_Product", _general(product)
    for language, text in {"EN": product.description, **product.texts}.items():
        row: Row = {"Product": product.id, "Language": language, "ProductDescription": text[:40]}
        yield service, "A_ProductDescription", row
    for plant in product.plants:
        yield service, "A_ProductPlant", _plant(product, plant)
    sales: Row = {
        "Product": product.id,
        "ProductSalesOrg": SALES_ORG,
        "ProductDistributionChnl": CHANNEL,
        "ItemCategoryGroup": "NORM",
        "ProductSalesStatus": "",
        "BaseUnit": unit,
        "IsMarkedForDeletion": product.deleted,
    }
    yield service, "A_ProductSalesDelivery", sales
    if product.cost is not None:
        for plant in product.plants:
            yield service, "A_ProductValuation", _valuation(product, plant, product.cost, currency)
    yield "API_MATERIAL_STOCK_SRV", "A_MaterialStock", {"Material": product.id, "MaterialBaseUnit": unit}


def _general(product: Product) -> Row:
    changed = instant(product.changed)
    return {
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
        "BaseUnit": product.unit,
        "ItemCategoryGroup": "NORM",
        "ProductHierarchy": "",
        "Division": "00",
        "Brand": "",
        "ValidityStartDate": None,
        "SizeOrDimensionText": product.size,
        "ProductStandardID": product.gtin,
        "InternationalArticleNumberCat": "HE" if product.gtin else "",
        "IsBatchManagementRequired": False,
    }


def _plant(product: Product, plant: str) -> Row:
    return {
        "Product": product.id,
        "Plant": plant,
        "ProfileCode": "",
        "AvailabilityCheckType": "02",
        "CountryOfOrigin": "",
        "MRPType": "ND",
        "BaseUnit": product.unit,
        "IsMarkedForDeletion": False,
    }


def _valuation(product: Product, plant: str, cost: str, currency: str) -> Row:
    return {
        "Product": product.id,
        "ValuationArea": plant,
        "ValuationType": "",
        "StandardPrice": cost,
        "PriceUnitQty": "1",
        "Currency": currency,
        "PriceLastChangeDate": wire_date(instant(product.changed).date()),
        "BaseUnit": product.unit,
    }


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
