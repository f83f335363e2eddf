"""What was sold of each article on each receipt: by the file of the tills, and by the journal of the ERP. The first of
them is read without the product's own reader, so that the two are independent accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree

_POSLOG = "{http://www.nrf-arts.org/IXRetail/namespace/}"
_KEY = ("RetailStoreID", "WorkstationID", "BusinessDayDate", "SequenceNumber")
Sold = dict[str, dict[str, tuple[Decimal, Decimal]]]
"""By receipt and article: quantity and amount. Articles of which nothing is left are not in it."""


def articles_rung(path: Path) -> Sold:
    """Of a file in which a void is a second line with the opposite amount, so that every line counts (NCR ACS)."""
    rows = []
    for transaction in etree.parse(path).getroot():
        store, till, day, sequence = (transaction.findtext(_POSLOG + name) or "" for name in _KEY)
        for line in transaction.iter(_POSLOG + "Sale"):
            said = [line.findtext(_POSLOG + name) or "" for name in ("ItemID", "Quantity", "ExtendedAmount")]
            rows.append((f"{store}/{till}/{day}/{int(sequence)}", said[0], Decimal(said[1]), Decimal(said[2])))
    return _summed(rows)


def articles_posted(entries: Iterable[dict[str, Any]]) -> Sold:
    """Of the journal of the ERP; corrections of one receipt would count together."""
    return _summed(
        (entry["ref"], item, Decimal(quantity), Decimal(amount))
        for entry in entries
        if entry["effect"] == "sale.posted"
        for item, quantity, amount in (entry.get("data") or {}).get("lines", ())
    )


def _summed(rows: Iterable[tuple[str, str, Decimal, Decimal]]) -> Sold:
    sums: dict[str, dict[str, tuple[Decimal, Decimal]]] = defaultdict(dict)
    for receipt, item, quantity, amount in rows:
        before = sums[receipt].get(item, (Decimal(0), Decimal(0)))
        sums[receipt][item] = before[0] + quantity, before[1] + amount
    return {receipt: {item: both for item, both in articles.items() if any(both)} for receipt, articles in sums.items()}


def wrong_receipts(due: Sold, posted: Sold) -> list[str]:
    """Receipts of which an article has another quantity or amount, or that are not there, with what is wrong."""
    found = []
    for receipt, articles in sorted(due.items()):
        there = posted.get(receipt, {})
        apart = {item for item in {*articles, *there} if articles.get(item) != there.get(item)}
        if apart:
            said = ", ".join(f"{item}: rung {articles.get(item)}, posted {there.get(item)}" for item in sorted(apart))
            found.append(f"{receipt}: {said}")
    return found
