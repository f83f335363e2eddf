"""Real retail files as sandbox data: AdventureWorks master data for the ERP, online-retail rows as store sales.

`python -m sandbox.realdata replay --data DIR --drop DIR [--stores N] [--per-file N] [--journal FILE]` writes POSLog
files under `DROP/<store>/`; `python -m sandbox.realdata poslog --data DIR --drop DIR` drops the real POSLog files of
DIR as they are, under `DROP/real/`. The journal is a file of its own, not that of a running sandbox.

The same rows give the same files, byte for byte. Nothing is cleaned: negative quantities, missing customers, missing
descriptions, zero prices and codes that are no article (POST, D, M, BANK CHARGES) come out as they are in the rows.

How rows become transactions: rows of one invoice are one transaction, in the file's order. Store and till come from a
checksum of the invoice number (94 % of the rows are of one country, so a split by country would be one store). Sequence
numbers run without gaps per store, till and business date, in order of time. An invoice whose number starts with C is a
return: its lines are `Return` with the negative quantity of the row. A negative quantity on any other invoice stays a
`Sale` line. A customer number loses the `.0` that a spreadsheet left behind.
"""

from __future__ import annotations

import argparse
import csv
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from sandbox.dataset_types import FOREVER, Dataset, Price, Product, Site, Stock
from sandbox.journal import Journal
from sandbox.poslog import Line, Transaction, document, drop, extended

BULK = "+|", "&|\n"
TABBED = "\t", "\n"
CURRENCY = "GBP"
UNITS = {"": "EA", "LB": "LB", "G": "G"}


def find(directory: Path, name: str) -> Path:
    """The folder of a data set: `directory` itself, or `<name>` or `retail/<name>` or `data/retail/<name>` below it."""
    for candidate in (directory, directory / name, directory / "retail" / name, directory / "data" / "retail" / name):
        if (candidate / "Product.csv").is_file() or (
            name != "adventureworks" and any(candidate.glob("20??-??-??.csv"))
        ):
            return candidate
    raise FileNotFoundError(f"no {name} files at {directory} or below it")


def bulk_rows(path: Path, separators: tuple[str, str] = TABBED) -> Iterator[list[str]]:
    """Rows of a bulk-copy file without a header.

    Separators may have several characters and fields may hold line breaks.
    """
    field_end, row_end = separators
    for row in path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").split(row_end):
        if row.strip("\n"):
            yield row.split(field_end)


# --- AdventureWorks -------------------------------------------------------------------------------------------------


def load_adventureworks(directory: Path, *, stores: int = 6) -> Dataset:
    """Products, the history of list prices, stock per plant and the first stores, as the ERP would hold them.

    The product number becomes a material number of 18 digits; a location becomes a plant `10nn`. Descriptions are cut
    at the 40 characters which the ERP keeps. A product without price history but with a list price above zero gets that
    price.
    """
    data = Dataset(origin="AdventureWorks", currency="USD")
    plants: dict[str, list[str]] = {}
    for row in bulk_rows(directory / "ProductInventory.csv"):
        plant = f"{1000 + int(row[1])}"
        plants.setdefault(row[0], []).append(plant)
        data.stock.append(Stock(product=material(row[0]), plant=plant, quantity=row[4]))
    histories: dict[str, list[Price]] = {}
    for row in bulk_rows(directory / "ProductListPriceHistory.csv"):
        price = Price(
            product=material(row[0]),
            amount=decimal(row[3]),
            currency=data.currency,
            valid_from=row[1][:10],
            valid_to=row[2][:10] or FOREVER,
            changed=instant(row[4]),
        )
        histories.setdefault(row[0], []).append(price)
    for row in bulk_rows(directory / "Product.csv"):
        data.products.append(_product(row, plants.get(row[0], [])))
        history = histories.get(row[0], [])
        if not history and Decimal(row[9]) > 0:
            history = [
                Price(
                    product=material(row[0]),
                    amount=decimal(row[9]),
                    currency=data.currency,
                    valid_from=row[20][:10],
                    changed=instant(row[24]),
                )
            ]
        data.prices.extend(history)
    names = [row[1] for row in bulk_rows(directory / "Store.csv", BULK)]
    data.sites = [Site(id=str(number), name=name, plant="") for number, name in enumerate(names[:stores], 1)]
    return data


def _product(row: list[str], plants: list[str]) -> Product:
    return Product(
        id=material(row[0]),
        description=row[1],
        changed=instant(row[24]),
        created=row[20][:10],
        old_id=row[2],
        group=row[18],
        size=f"{row[10]} {row[11]}".strip(),
        weight=decimal(row[13]) if row[13] else None,
        weight_unit=row[12].strip(),
        cost=decimal(row[8]),
        plants=plants,
        blocked=bool(row[22]),
        deleted=bool(row[21]),
    )


def material(number: str) -> str:
    return number.strip().zfill(18)


def decimal(text: str) -> str:
    """`.0000` → `0.0000`: the same number in the form the ERP sends."""
    return str(Decimal(text))


def instant(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat(timespec="milliseconds")


# --- online retail --------------------------------------------------------------------------------------------------


@dataclass
class Replay:
    """Transactions by store, and what was counted on the way; `rows` is the control total of the source."""

    by_store: dict[str, list[Transaction]] = field(default_factory=dict)
    rows: int = 0
    dirty: Counter[str] = field(default_factory=Counter)
    amount: Decimal = Decimal("0.00")

    @property
    def transactions(self) -> list[Transaction]:
        return [one for made in self.by_store.values() for one in made]


def retail_rows(directory: Path) -> Iterator[dict[str, str]]:
    for path in sorted(directory.glob("20??-??-??.csv")):
        with path.open(newline="", encoding="utf-8-sig") as lines:
            yield from csv.DictReader(lines)


def read_online_retail(directory: Path, *, stores: int = 6, tills: int = 3) -> Replay:
    invoices: dict[str, list[dict[str, str]]] = {}
    made = Replay()
    for row in retail_rows(directory):
        made.rows += 1
        made.dirty.update(_dirt(row))
        invoices.setdefault(row["InvoiceNo"], []).append(row)
    sequences: Counter[tuple[str, str, str]] = Counter()
    for invoice, rows in sorted(invoices.items(), key=lambda item: (item[1][0]["InvoiceDate"], item[0])):
        place = zlib.crc32(invoice.encode())
        store, till = str(1 + place % stores), str(1 + place // stores % tills)
        at = datetime.fromisoformat(rows[0]["InvoiceDate"])
        day = at.date().isoformat()
        sequences[store, till, day] += 1
        lines = [_line(row, "return" if invoice.startswith("C") else "sale") for row in rows]
        sale = Transaction(
            store=store,
            till=till,
            date=day,
            sequence=sequences[store, till, day],
            end=at.isoformat(),
            currency=CURRENCY,
            lines=lines,
            receipt=invoice,
            loyalty=rows[0]["CustomerID"].removesuffix(".0") or None,
        )
        made.by_store.setdefault(store, []).append(sale)
        made.amount += sale.total
    return made


def _line(row: dict[str, str], kind: str) -> Line:
    return Line(
        item=row["StockCode"],
        description=row["Description"],
        quantity=row["Quantity"],
        unit_price=row["UnitPrice"],
        amount=extended(row["Quantity"], row["UnitPrice"]),
        kind=kind,
    )


def _dirt(row: dict[str, str]) -> Iterator[str]:
    if row["InvoiceNo"].startswith("C"):
        yield "return"
    elif Decimal(row["Quantity"]) < 0:
        yield "negative_sale"
    if not row["CustomerID"]:
        yield "no_customer"
    if not row["Description"]:
        yield "no_description"
    if Decimal(row["UnitPrice"]) == 0:
        yield "zero_price"
    if not row["StockCode"][:5].isdecimal():
        yield "odd_code"


def replay(
    data: Path, target: Path, *, stores: int = 6, per_file: int = 50, journal: Path | None = None
) -> dict[str, Any]:
    """Write the drop files, one series per store and business date; give back the control totals.

    With `journal`, what the tills sold is also written down by the witness (`sale.rung`), to reconcile against.
    """
    made = read_online_retail(find(data, "online-retail"), stores=stores)
    files = 0
    for store, transactions in sorted(made.by_store.items()):
        days: dict[str, list[Transaction]] = {}
        for one in transactions:
            days.setdefault(one.date, []).append(one)
        for day, sold in sorted(days.items()):
            for part, start in enumerate(range(0, len(sold), per_file), 1):
                drop(target / store, f"poslog-{store}-{day}-{part:03d}.xml", document(sold[start : start + per_file]))
                files += 1
    if journal is not None:
        witness = Journal(journal, "stores")
        witness.record(rung(one) for one in made.transactions)
        witness.close()
    return {
        "rows": made.rows,
        "transactions": len(made.transactions),
        "lines": sum(len(one.lines) for one in made.transactions),
        "files": files,
        "amount": str(made.amount),
        "currency": CURRENCY,
        "dirty": dict(sorted(made.dirty.items())),
    }


def drop_poslog(data: Path, target: Path) -> list[str]:
    """Put the real POSLog files below `data` where a collector looks, byte for byte; names of what was dropped."""
    files = sorted(
        path for place in (data, data / "poslog", data / "data" / "poslog") for path in place.glob("*transactions.xml")
    )
    if not files:
        raise FileNotFoundError(f"no POSLog files at {data} or {data / 'poslog'}")
    return [str(drop(target / "real", path.name, path.read_bytes())) for path in files]


def rung(made: Transaction) -> dict[str, Any]:
    """The journal effect of a till transaction."""
    return {
        "effect": "sale.rung",
        "key": made.key,
        "ref": made.key,
        "entity": f"{made.store}/{made.till}",
        "amount": str(made.total),
        "data": msgspec.to_builtins(made),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.realdata", description="Real retail files as sandbox input."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    writes = commands.add_parser("replay", help="turn online-retail rows into POSLog drop files")
    writes.add_argument("--data", type=Path, required=True)
    writes.add_argument("--drop", type=Path, required=True)
    writes.add_argument("--stores", type=int, default=6)
    writes.add_argument("--per-file", type=int, default=50)
    writes.add_argument("--journal", type=Path)
    drops = commands.add_parser("poslog", help="drop the real POSLog files as they are")
    drops.add_argument("--data", type=Path, required=True)
    drops.add_argument("--drop", type=Path, required=True)
    given = parser.parse_args(argv)
    try:
        if given.command == "poslog":
            print(json.dumps({"files": drop_poslog(given.data, given.drop)}))
            return 0
        print(
            json.dumps(
                replay(given.data, given.drop, stores=given.stores, per_file=given.per_file, journal=given.journal)
            )
        )
    except FileNotFoundError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
