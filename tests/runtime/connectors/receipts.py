"""Receipts of tills as POSLog, in the few words that a test needs: parts of a receipt, and the whole."""

from __future__ import annotations

import io
from typing import Any

import msgspec

from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.mapping import decode

ARTS = "http://www.nrf-arts.org/IXRetail/namespace/"


def entry(content: str, number: int, attributes: str = "") -> str:
    return f"<LineItem {attributes}><SequenceNumber>{number}</SequenceNumber>{content}</LineItem>"


def goods(
    number: int, amount: str, *, item: str = "A", quantity: str = "1", kind: str = "Sale", void: str = "", link: int = 0
) -> str:
    """A line; `void` as its `VoidFlag` is written, `link` the sequence of the line that it belongs to."""
    linked = f"<ItemLink>{link}</ItemLink>" if link else ""
    return entry(
        f"<{kind}><ItemID>{item}</ItemID><ExtendedAmount>{amount}</ExtendedAmount>"
        f"<Quantity>{quantity}</Quantity>{linked}</{kind}>",
        number,
        f'VoidFlag="{void}"' if void else "",
    )


def tender(number: int, amount: str, *, kind: str = "Cash", void: str = "", more: str = "") -> str:
    flag = f'VoidFlag="{void}"' if void else ""
    return entry(f'<Tender TenderType="{kind}"><Amount>{amount}</Amount>{more}</Tender>', number, flag)


def charge(number: int, name: str, amount: str) -> str:
    return entry(f"<{name}><Amount>{amount}</Amount></{name}>", number)


def total(amount: str, kind: str = "TransactionGrandAmount", attributes: str = "") -> str:
    return f'<Total TotalType="{kind}" {attributes}>{amount}</Total>'


def receipt(*parts: str, on: str = "", inside: str = "", head: str = "", currency: str = "EUR", number: int = 1) -> str:
    """A transaction; `on` and `inside` are attributes of the transaction and of its body, `head` more elements."""
    said = f"<CurrencyCode>{currency}</CurrencyCode>" if currency else ""
    return (
        f"<Transaction {on}><RetailStoreID>7</RetailStoreID><WorkstationID>1</WorkstationID>"
        f"<SequenceNumber>{number}</SequenceNumber><BusinessDayDate>2026-03-02</BusinessDayDate>{said}{head}"
        f"<RetailTransaction {inside}>{''.join(parts)}</RetailTransaction></Transaction>"
    )


def poslog(*transactions: str) -> bytes:
    return f'<POSLog xmlns="{ARTS}" xmlns:v="urn:vendor">{"".join(transactions)}</POSLog>'.encode()


def judged(content: str | bytes, **rules: Any) -> Record | RejectedRecord:
    """What the reader makes of one transaction."""
    whole = content if isinstance(content, bytes) else poslog(content)
    return next(documents(io.BytesIO(whole), "f.xml", rules=msgspec.convert(rules, PosLogRules)))


def read(content: str | bytes, **rules: Any) -> Any:
    """The document of one transaction."""
    found = judged(content, **rules)
    assert isinstance(found, Record), found.reason
    return decode(found.payload)


def held(content: str | bytes, **rules: Any) -> str:
    """Why a transaction is held."""
    found = judged(content, **rules)
    assert isinstance(found, RejectedRecord), decode(found.payload)
    return found.reason
