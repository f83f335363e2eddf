"""Sales as till transactions, and POSLog 2.x XML in the dialect of a real store server (namespaces, vendor elements and
all).

Sale and return lines, tenders with change, voided lines (the line again with `VoidFlag` and a negative quantity),
control transactions that keep the sequence without gaps, training mode as an attribute of the transaction, loyalty as a
vendor element.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import msgspec

HEAD = (
    '<POSLog xmlns:poslog="http://www.nrf-arts.org/IXRetail/namespace/" '
    'xmlns="http://www.nrf-arts.org/IXRetail/namespace/" '
    'xmlns:acs="http://www.ncr.com/rsd/acs/tlog/markup/poslog/2.1" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
)


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One item line.

    `kind` is sale or return; quantity keeps the sign the till gave it. Amounts are decimal strings.
    """

    item: str
    description: str
    quantity: str
    unit_price: str
    amount: str
    kind: str = "sale"
    department: str = "1"
    entry: str = "Scanned"
    void: bool = False


class Transaction(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One till transaction.

    `end` is local till time without a zone, as stores send it. `control` names a transaction that is no sale.
    """

    store: str
    till: str
    date: str
    sequence: int
    end: str
    currency: str
    lines: list[Line] = []
    operator: str = "100"
    loyalty: str | None = None
    receipt: str | None = None
    tender: str = "Cash"
    control: str | None = None
    training: bool = False

    @property
    def key(self) -> str:
        """store/till/business date/sequence: the identity of a sale."""
        return f"{self.store}/{self.till}/{self.date}/{self.sequence}"

    @property
    def total(self) -> Decimal:
        return sum((Decimal(line.amount) for line in self.lines), Decimal("0.00"))


def extended(quantity: str, unit_price: str) -> str:
    return str((Decimal(quantity) * Decimal(unit_price)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def document(transactions: Iterable[Transaction]) -> bytes:
    """One POSLog file."""
    return "".join([HEAD, *map(_transaction, transactions), "</POSLog>"]).encode()


def drop(directory: Path, name: str, content: bytes) -> Path:
    """Put a file where a collector looks, whole or not at all: written beside under a dotted name, then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    part, target = directory / f".{name}.part", directory / name
    part.write_bytes(content)
    os.replace(part, target)
    return target


def _transaction(made: Transaction) -> str:
    training = ' TrainingModeFlag="true"' if made.training else ""
    head = (
        f"<Transaction{training}><RetailStoreID>{escape(made.store)}</RetailStoreID><WorkstationID>{escape(made.till)}"
        "</WorkstationID>"
        f"<SequenceNumber>{made.sequence}</SequenceNumber><BusinessDayDate>{made.date}</BusinessDayDate>"
        f"<EndDateTime>{made.end}</EndDateTime><OperatorID>{escape(made.operator)}</OperatorID>"
        f"<CurrencyCode>{made.currency}</CurrencyCode>"
    )
    return head + (_control(made) if made.control is not None else _retail(made)) + "</Transaction>"


def _control(made: Transaction) -> str:
    return (
        f'<ControlTransaction Version="2.1"><ReasonCode>{escape(made.control or "")}</ReasonCode><OperatorSignOn>'
        f"<StartDateTimestamp>{made.end}</StartDateTimestamp><EndDateTimestamp>{made.end}</EndDateTimestamp>"
        f"<OpenBusinessDayDate>{made.date}</OpenBusinessDayDate><CloseBusinessDayDate>{made.date}"
        "</CloseBusinessDayDate>"
        f"<OpenTransactionSequenceNumber>{made.sequence}</OpenTransactionSequenceNumber>"
        f"<CloseTransactionSequenceNumber>{made.sequence}</CloseTransactionSequenceNumber></OperatorSignOn>"
        "</ControlTransaction>"
    )


def _retail(made: Transaction) -> str:
    parts = [f'<RetailTransaction Version="2.1"><ReceiptDateTime>{made.end}</ReceiptDateTime>']
    if made.receipt is not None:
        parts.append(f"<ReceiptNumber>{escape(made.receipt)}</ReceiptNumber>")
    parts.append(f"<TransactionCount>{made.sequence}</TransactionCount>")
    number = 0
    for line in made.lines:
        number += 1
        parts.append(_line(line, number))
    number += 1
    parts.append(_tender(made, number))
    if made.loyalty is not None:
        member = escape(made.loyalty)
        parts.append(
            f'<LineItem EntryMethod="acs:Auto"><SequenceNumber>{number + 1}</SequenceNumber><acs:LoyaltyMembership>'
            f'<acs:LoyaltyID Type="Membership">{member}</acs:LoyaltyID><acs:MembershipID>{member}</acs:MembershipID>'
            "<acs:MembershipLevel>0</acs:MembershipLevel></acs:LoyaltyMembership></LineItem>"
        )
    amounts = [Decimal(line.amount) for line in made.lines]
    positive, negative = (
        sum((a for a in amounts if a > 0), Decimal("0.00")),
        sum((a for a in amounts if a < 0), Decimal("0.00")),
    )
    parts.append(
        f'<Total TotalType="TransactionGrandAmount">{made.total}</Total><Total TotalType="acs:GrossPositive">{positive}'
        "</Total>"
        f'<Total TotalType="acs:GrossNegative">{negative}</Total><Total TotalType="TransactionTaxAmount">0.00</Total>'
        f'<Total TotalType="acs:DiscountTotal">0.00</Total><acs:ItemCount>{len(made.lines)}</acs:ItemCount>'
        "</RetailTransaction>"
    )
    return "".join(parts)


def _line(line: Line, number: int) -> str:
    element = "Return" if line.kind == "return" else "Sale"
    void = ' VoidFlag="true"' if line.void else ""
    item, department = escape(line.item), escape(line.department)
    return (
        f"<LineItem{void} EntryMethod={quoteattr(line.entry)}><SequenceNumber>{number}</SequenceNumber>"
        f'<{element} ItemType="Stock"><POSIdentity POSIDType="GTIN"><POSItemID>{item}</POSItemID>'
        f"<Qualifier>{department}</Qualifier>"
        f'</POSIdentity><ItemID>{item}</ItemID><MerchandiseHierarchy Level="Department" '
        f'acs:DepartmentDescription="Department{department}">{department}</MerchandiseHierarchy>'
        f"<Description>{escape(line.description)}</Description><RegularSalesUnitPrice>{line.unit_price}"
        "</RegularSalesUnitPrice>"
        f"<ExtendedAmount>{line.amount}</ExtendedAmount><DiscountAmount>0.00</DiscountAmount>"
        f"<ExtendedDiscountAmount>0.00</ExtendedDiscountAmount><Quantity>{line.quantity}</Quantity>"
        f"<acs:OperatorSequence>{number}</acs:OperatorSequence></{element}></LineItem>"
    )


def _tender(made: Transaction, number: int) -> str:
    kind, code = ("Refund", "12") if made.total < 0 else ("Sale", "1" if made.tender == "Cash" else "12")
    return (
        f'<LineItem EntryMethod="{"Keyed" if made.tender == "Cash" else "MSR"}"><SequenceNumber>{number}'
        "</SequenceNumber>"
        f'<Tender TenderType="{made.tender}" TypeCode="{kind}"><TenderID>{code}</TenderID><Amount>{made.total}</Amount>'
        f"<acs:OperatorSequence>{number}</acs:OperatorSequence></Tender></LineItem>"
    )
