"""A small retailer made from a seed: about 60 products, 6 stores, loyalty members and one business day of till
transactions.

`python -m sandbox.demo_data --out DIR [--seed N] [--day YYYY-MM-DD] [--transactions N] [--products N] [--stores N]`
writes `dataset.json` (give DIR to `python -m sandbox --data`) and the day as POSLog files under `DIR/drop/<store>/`.
The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sandbox.dataset_types import Dataset, Member, Price, Product, Site, Stock, save, summary
from sandbox.poslog import Line, Transaction, document, drop, extended

DAY = date(2026, 3, 2)
TOWNS = ("Harbour Street", "Old Market", "North Gate", "Station Square", "Riverside", "Airport")
# group → (department, ((name, name in German, price of the smallest size), …))
GROUPS: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "COFFEE": (
        "10",
        (
            ("Espresso beans", "Espressobohnen", "12.90"),
            ("Filter coffee", "Filterkaffee", "8.49"),
            ("Decaf", "Entkoffeiniert", "11.20"),
        ),
    ),
    "TEA": (
        "11",
        (
            ("Green tea", "Gruener Tee", "4.99"),
            ("Breakfast tea", "Fruehstueckstee", "3.79"),
            ("Mint tea", "Minztee", "3.49"),
        ),
    ),
    "BAKERY": (
        "20",
        (
            ("Rye bread", "Roggenbrot", "3.20"),
            ("Butter croissant", "Buttercroissant", "1.40"),
            ("Oat cookies", "Haferkekse", "2.85"),
        ),
    ),
    "DAIRY": (
        "21",
        (
            ("Whole milk", "Vollmilch", "1.29"),
            ("Mountain cheese", "Bergkaese", "6.75"),
            ("Plain yoghurt", "Naturjoghurt", "0.99"),
        ),
    ),
    "HOUSE": (
        "30",
        (
            ("Dish brush", "Spuelbuerste", "2.50"),
            ("Tea light set", "Teelichter", "5.95"),
            ("Glass jar", "Vorratsglas", "4.25"),
        ),
    ),
}
Kind = tuple[str, str, tuple[str, str, str]]  # group, department, (name, name in German, price)
SIZES = ("small", "medium", "large", "family pack")


def make(*, seed: int = 1, products: int = 60, stores: int = 6, members: int = 40, day: date = DAY) -> Dataset:
    """The master data.

    Every fifth product changed at the same instant (ties at a cursor), six have a price that starts later.
    """
    draw = random.Random(f"demo:{seed}")
    kinds = [(group, department, item) for group, (department, items) in GROUPS.items() for item in items]
    sites = [Site(id=str(n), name=TOWNS[(n - 1) % len(TOWNS)], plant=f"{1000 + n}") for n in range(1, stores + 1)]
    plants = [site.plant for site in sites[:6]]
    data = Dataset(origin=f"demo {seed}", currency="EUR", sites=sites)
    migrated = datetime(day.year, day.month, day.day) - timedelta(days=30)  # noqa: DTZ001
    for number in range(products):
        _add_product(data, number, kinds, plants, draw, day, migrated)
    data.members = [
        Member(id=f"{7_000_000 + 37 * n:07d}", points=str(draw.randrange(0, 900))) for n in range(1, members + 1)
    ]
    return data


def _add_product(
    data: Dataset, number: int, kinds: list[Kind], plants: list[str], draw: random.Random, day: date, migrated: datetime
) -> None:
    """One product with its price, every tenth with a lower one from a later day, and its stock in each plant."""
    group, department, (name, german, base) = kinds[number % len(kinds)]
    turn = number // len(kinds)
    size = SIZES[turn % len(SIZES)] + ("" if turn < len(SIZES) else f" {turn // len(SIZES) + 1}")
    identity = f"{1_000_001 + number:018d}"
    changed = (
        migrated
        if number % 5 == 0
        else migrated + timedelta(seconds=draw.randrange(86_400), milliseconds=number % 1000)
    )
    stamp = changed.isoformat(timespec="milliseconds") + "Z"
    price = (Decimal(base) * Decimal(1 + turn % len(SIZES))).quantize(Decimal("0.01"))
    data.products.append(
        Product(
            id=identity,
            description=f"{name} {size}",
            texts={"DE": f"{german} {size}"},
            changed=stamp,
            created=migrated.date().isoformat(),
            old_id=f"{group[:3]}-{number + 1:04d}",
            gtin=gtin13(2_000_000_000_00 + number),
            group=department,
            size=size[:32],
            weight=f"{draw.randrange(50, 2000) / 1000:.3f}",
            weight_unit="KG",
            cost=str((price * Decimal("0.6")).quantize(Decimal("0.01"))),
            plants=plants,
        )
    )
    data.prices += _prices(identity, price, stamp, migrated.date(), day if number % 10 == 3 else None)
    data.stock.extend(Stock(product=identity, plant=plant, quantity=str(draw.randrange(0, 80))) for plant in plants)


def _prices(product: str, price: Decimal, changed: str, since: date, day: date | None) -> list[Price]:
    """The price; with a `day`, it ends two weeks later and one that is 15 percent lower follows."""

    def made(amount: Decimal, valid_from: date) -> Price:
        return Price(
            product=product, amount=str(amount), currency="EUR", valid_from=valid_from.isoformat(), changed=changed
        )

    first = made(price, since)
    if day is None:
        return [first]
    first.valid_to = (day + timedelta(days=13)).isoformat()
    return [first, made((price * Decimal("0.85")).quantize(Decimal("0.01")), day + timedelta(days=14))]


def gtin13(number: int) -> str:
    """A GTIN with its check digit; `number` holds the first twelve digits."""
    digits = f"{number:012d}"[:12]
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


class Shift:
    """Till transactions of one store, one after the other, seeded; used for the demo day and by store servers that sell
    live.
    """

    def __init__(self, data: Dataset, site: Site, *, seed: int, day: date, opened: int = 8) -> None:
        self.data, self.site, self.day = data, site, day
        self.draw = random.Random(f"shift:{seed}:{site.id}:{day}")
        self.sequences: dict[str, int] = {}
        self.clock = datetime(day.year, day.month, day.day, opened)  # noqa: DTZ001
        self.shelf = _shelf(data)

    def next(self) -> Transaction:
        """Mostly sales; now and then a return, a voided line, a sign-on or a training sale."""
        draw = self.draw
        till = str(1 + draw.randrange(self.site.tills))
        sequence = self.sequences[till] = self.sequences.get(till, 0) + 1
        self.clock += timedelta(seconds=draw.randrange(20, 240))
        made = Transaction(
            store=self.site.id,
            till=till,
            date=self.day.isoformat(),
            sequence=sequence,
            end=self.clock.isoformat(),
            currency=self.data.currency,
            operator=str(100 + draw.randrange(8)),
        )
        kind = draw.random()
        if kind < 0.04:
            made.control = draw.choice(("Valid SignOn", "Sign Off", "No Sale"))
            return made
        made.lines = [self._line() for _ in range(draw.randrange(1, 6))]
        if kind < 0.10:
            made.lines = [_returned(line) for line in made.lines[:1]]
        elif kind < 0.14:
            made.lines.append(_voided(made.lines[-1]))
        made.training = 0.14 <= kind < 0.15
        made.tender = draw.choice(("Cash", "CreditDebit", "CreditDebit"))
        if self.data.members and draw.random() < 0.4:
            made.loyalty = draw.choice(self.data.members).id
        return made

    def _line(self) -> Line:
        product, price = self.draw.choice(self.shelf)
        quantity = str(self.draw.choice((1, 1, 1, 2, 3)))
        return Line(
            item=product.id,
            description=product.description,
            quantity=quantity,
            unit_price=price,
            amount=extended(quantity, price),
            department=product.group or "1",
        )


def _shelf(data: Dataset) -> list[tuple[Product, str]]:
    """Products with the first price they have."""
    prices: dict[str, str] = {}
    for price in data.prices:
        prices.setdefault(price.product, price.amount)
    return [(product, f"{Decimal(prices[product.id]):.2f}") for product in data.products if product.id in prices]


def _returned(line: Line) -> Line:
    return Line(
        item=line.item,
        description=line.description,
        quantity=f"-{line.quantity}",
        unit_price=line.unit_price,
        amount=f"-{line.amount}",
        department=line.department,
        kind="return",
        entry="Keyed",
    )


def _voided(line: Line) -> Line:
    return Line(
        item=line.item,
        description=line.description,
        quantity=f"-{line.quantity}",
        unit_price=line.unit_price,
        amount=f"-{line.amount}",
        department=line.department,
        void=True,
        entry="Keyed",
    )


def sell_day(data: Dataset, *, seed: int, day: date, transactions: int) -> dict[str, list[Transaction]]:
    """One business day per store.

    The last transaction of each store ends after midnight and keeps its business date.
    """
    sold: dict[str, list[Transaction]] = {}
    for site in data.sites:
        shift = Shift(data, site, seed=seed, day=day)
        made = [shift.next() for _ in range(transactions)]
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        made[-1].end = (midnight + timedelta(days=1, minutes=7)).isoformat()
        sold[site.id] = made
    return sold


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.demo_data", description="Write the demo retailer's data and one day of sales."
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=date.fromisoformat, default=DAY)
    parser.add_argument("--transactions", type=int, default=40, help="per store")
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--stores", type=int, default=6)
    given = parser.parse_args(argv)
    data = make(seed=given.seed, products=given.products, stores=given.stores, day=given.day)
    save(data, given.out / "dataset.json")
    sold = sell_day(data, seed=given.seed, day=given.day, transactions=given.transactions)
    for store, made in sold.items():
        drop(given.out / "drop" / store, f"poslog-{store}-{given.day}.xml", document(made))
    counted = [one for made in sold.values() for one in made]
    amount = sum((one.total for one in counted), Decimal("0.00"))
    print(
        json.dumps(
            summary(data) | {"transactions": len(counted), "amount": str(amount), "drop": str(given.out / "drop")}
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
