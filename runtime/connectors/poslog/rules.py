"""How the receipts of a vendor are to be read: what POSLog leaves open, and a profile or a manifest says."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal
from zoneinfo import available_timezones

import msgspec

_CODE = re.compile(r"[A-Z]{3}\Z")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")
_HOUR = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
Voids = Literal["auto", "link", "opposite", "flag"]
Meaning = Literal["sale", "suspended", "cancelled", "voided", "training"]


class StoreRules(msgspec.Struct, frozen=True):
    """Of one store: its currency (three capitals) and its time zone (IANA), where they differ from the others'."""

    currency: str = ""
    zone: str = ""


class PosLogRules(msgspec.Struct, frozen=True):
    """`voids`: how a voided line is written (`voids.READINGS`); `auto` takes the way in which the receipt adds up.
    `tolerance`: by how much sums may differ and still agree; what differs is posted as rounding. `cash_step`: the
    smallest sum that is paid in cash (`0.05`), where totals or payments are rounded to it without saying so. Amounts
    are decimals as text, in the currency of the receipt. `currency` and `zone`: those of the stores, for receipts and
    times that state none; `stores` names those that differ.

    `day_begins` (`04:00`): a transaction without a business date is of the day of its end, or of the day before where
    it ended earlier than that. `till`: the workstation of transactions that name none. `number`: what numbers a
    transaction without a sequence number, its `TransactionID` or its `ReceiptNumber`. `numbers_per`: whether numbers
    begin anew with each operator of a till. `statuses`: what a vendor's words in `TransactionStatus` mean. `orders`:
    whether what a customer order takes in is posted, or is another system's. `post_voids`: whether a post-void without
    amounts waits for a person. `line_discounts`: whether the amount of a line has its own discount in it, or that comes
    off. `member`: the element of a `LoyaltyAccount` that names who collects. `deducted`: the types of conditions and
    discounts of SAP that reduce, whatever their sign."""

    voids: Voids = "auto"
    tolerance: str = "0"
    cash_step: str = "0"
    currency: str = ""
    zone: str = ""
    stores: dict[str, StoreRules] = {}
    day_begins: str = ""
    till: str = ""
    number: Literal["", "transaction", "receipt"] = ""
    numbers_per: Literal["till", "operator"] = "till"
    statuses: dict[str, Meaning] = {}
    orders: Literal["payments", "apart"] = "payments"
    post_voids: Literal["held", "kept"] = "held"
    line_discounts: Literal["auto", "in", "off"] = "auto"
    member: str = ""
    deducted: list[str] = []

    def __post_init__(self) -> None:
        for name, value in (("tolerance", self.tolerance), ("cash_step", self.cash_step)):
            if not _AMOUNT.match(value):
                raise ValueError(f"{name} is {value[:40]!r}; it is a decimal as text, such as '0.05'")
        if self.day_begins and not _HOUR.match(self.day_begins):
            raise ValueError(f"day_begins is {self.day_begins[:40]!r}; it is an hour of the day, such as '04:00'")
        stores = self.stores.values()
        for currency in (self.currency, *(one.currency for one in stores)):
            if currency and not _CODE.match(currency):
                raise ValueError(f"currency is {currency[:40]!r}; it is a code of three capitals, such as 'EUR'")
        for zone in (self.zone, *(one.zone for one in stores)):
            if zone and zone not in available_timezones():
                raise ValueError(f"zone is {zone[:40]!r}; it is a name such as 'Europe/Berlin'")

    def currency_of(self, store: str) -> str:
        return (self.stores[store].currency if store in self.stores else "") or self.currency

    def zone_of(self, store: str) -> str:
        return (self.stores[store].zone if store in self.stores else "") or self.zone

    @property
    def most(self) -> Decimal:
        return Decimal(self.tolerance)

    @property
    def step(self) -> Decimal:
        return Decimal(self.cash_step)


PLAIN = PosLogRules()
