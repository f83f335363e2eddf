"""When and in which currency: what POSLog leaves to the store, and what stands beside a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from runtime.connectors.poslog.reading import Element, attribute, child, currency_at, currency_in, local, text
from runtime.connectors.poslog.stated import BadTransaction

_CODE = re.compile(r"[A-Z]{3}\Z")
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-9]{2})(?::[0-9]{2})?\Z")
_ZONED = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})\Z")
_PAID = ("Tender",)


def time_of(transaction: Element, name: str, zone: str) -> str | None:
    """A time as it is written, with its own offset (in it, or as an attribute beside it), else with that which the
    zone of the store had then; without one in an hour that the zone has twice or not at all."""
    element = child(transaction, name)
    written = text(element)
    if element is None or written is None or "T" not in written or _ZONED.search(written):
        return written
    beside = attribute(element, "Offset")
    if beside is not None:
        found = _OFFSET.match(beside.strip())
        if found is None:
            raise BadTransaction(f"the Offset of {name} is {beside[:40]!r}, not hours and minutes")
        return f"{written}{found[1] or '+'}{found[2]}:{found[3]}"
    return written if not zone else written + _offset(written, zone)


def _offset(written: str, zone: str) -> str:
    try:
        local_time = datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))
    except ValueError:
        return ""
    if local_time.utcoffset() != local_time.replace(fold=1).utcoffset():
        return ""
    said = local_time.strftime("%z")
    return f"{said[:3]}:{said[3:5]}"


def currency_of(stated: str | None, body: Element, default: str) -> str | None:
    """The currency of a receipt: what it states, else what its amounts state, else that of the store. Raises
    BadTransaction where it is stated in several ways, or is no currency."""
    inside = text(body, "CurrencyCode")
    if stated and inside and stated != inside:
        raise BadTransaction(f"its currency is {stated[:20]!r}, and that of its body {inside[:20]!r}")
    stated = stated or inside
    lines = _codes(amount for part in _parts(body) if local(part) not in _PAID for amount in _within(part))
    lines |= _of_lines(body)
    if len(lines) > 1:
        raise BadTransaction(f"its lines are in several currencies: {', '.join(sorted(lines))}")
    if stated and lines and stated not in lines:
        raise BadTransaction(f"its currency is {stated[:20]!r}, and its lines are in {lines.pop()}")
    found = stated or next(iter(lines), None)
    if found is None:
        totals = _codes(c for c in body if local(c) == "Total")
        if len(totals) > 1:
            return None  # which of them counts, `stated.total_of` says
        tenders = _codes(amount for part in _parts(body) if local(part) in _PAID for amount in part)
        tenders |= {code for part in _parts(body) if local(part) in _PAID and (code := currency_in(part))}
        if not totals and len(tenders) > 1:
            raise BadTransaction(f"its tenders are in several currencies: {', '.join(sorted(tenders))}")
        found = next(iter(totals or tenders), None) or default or None
    if found is not None and not _CODE.match(found):
        raise BadTransaction(f"its currency is {found[:20]!r}, not a code of three capitals")
    for code in _codes(_beside(body)) - {found}:
        raise BadTransaction(
            f"change, cash or a rounded total is in the currency {code[:20]!r}, the receipt in {found}"
        )
    return found


def _of_lines(body: Element) -> set[str]:
    """The currencies that lines state of themselves as a whole, but for lines of tenders."""
    found = set()
    for line in (one for one in body if local(one) == "LineItem"):
        parts = [one for one in line if local(one)]
        if not any(local(one) in _PAID for one in parts):
            found |= {code for one in (line, *parts) if _space(one) == _space(line) and (code := currency_in(one))}
    return found


def _parts(body: Element) -> Iterable[Element]:
    return (part for line in body if local(line) == "LineItem" for part in line if local(part))


def _within(part: Element) -> Iterator[Element]:
    """The part, what stands in it, and below that what is no vendor's; money of another currency is told apart."""
    yield part
    for one in part:
        if local(one) and local(one) != "ForeignCurrency":
            yield from _within(one) if _space(one) == _space(part) else (one,)


def _space(element: Element) -> str:
    return str(element.tag).rpartition("}")[0]


def _beside(body: Element) -> Iterator[Element]:
    """Sums that are read beside those of lines, tenders and totals."""
    yield from (one for one in body if local(one) == "RoundedTotal")
    for part in _parts(body):
        if local(part) in _PAID:
            yield from (inner for one in part if local(one) in ("TenderChange", "Cashback") for inner in _within(one))


def _codes(amounts: Iterable[Element]) -> set[str]:
    """Of elements that are amounts, by their names."""
    found = set()
    for one in amounts:
        if local(one).endswith(("Amount", "Total", "Price", "Cashback")) and (code := currency_at(one)):
            found.add(code)
    return found
