"""How the receipts of a vendor are to be read: what POSLog leaves open, and a profile or a manifest says."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import msgspec

_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?\Z")
Voids = Literal["auto", "link", "opposite", "flag"]


class PosLogRules(msgspec.Struct, frozen=True):
    """`voids`: how a voided line is written (`voids.READINGS`); `auto` takes the way in which the receipt adds up.
    `tolerance`: by how much sums may differ and still agree; what differs is posted as rounding. `cash_step`: the
    smallest sum that is paid in cash (`0.05`), where totals or payments are rounded to it without saying so. Amounts
    are decimals as text, in the currency of the receipt."""

    voids: Voids = "auto"
    tolerance: str = "0"
    cash_step: str = "0"

    def __post_init__(self) -> None:
        for name, value in (("tolerance", self.tolerance), ("cash_step", self.cash_step)):
            if not _AMOUNT.match(value):
                raise ValueError(f"{name} is {value[:40]!r}; it is a decimal as text, such as '0.05'")

    @property
    def most(self) -> Decimal:
        return Decimal(self.tolerance)

    @property
    def step(self) -> Decimal:
        return Decimal(self.cash_step)


PLAIN = PosLogRules()
