"""The master data that a sandbox is loaded with: products, prices, stock, stores and loyalty members.

The same types wherever the data comes from: `demo_data` generates it, `realdata` reads real retail files, and
`dataset.json` stores it. Amounts and quantities are decimal strings, dates are ISO text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

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
