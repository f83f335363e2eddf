"""Money: a Decimal amount with its ISO 4217 currency. Never a float; never without its currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from kernel.errors import Invalid

# ISO 4217 minor units that are not two (table A.1, 2024).
_MINOR = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "ISK": 0,
    "VND": 0,
    "XAF": 0,
    "XOF": 0,
    "XPF": 0,
    "PYG": 0,
    "UGX": 0,
    "RWF": 0,
    "BHD": 3,
    "IQD": 3,
    "JOD": 3,
    "KWD": 3,
    "LYD": 3,
    "OMR": 3,
    "TND": 3,
}


def minor_digits(currency: str) -> int:
    """Decimal places of a currency's minor unit (ISO 4217)."""
    return _MINOR.get(currency, 2)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount. Arithmetic refuses to mix currencies."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal) or not self.amount.is_finite():
            raise Invalid("money.amount", f"An amount is a finite decimal, not {self.amount!r}.")
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.isupper():
            raise Invalid("money.currency", f"A currency is three capital letters (ISO 4217), not {self.currency!r}.")

    @classmethod
    def parse(cls, amount: str | int | Decimal, currency: str) -> Money:
        """From text or integer. Floats are refused: they have already lost the cent."""
        if isinstance(amount, bool | float):
            raise Invalid("money.float", "An amount is text, an integer or a decimal, never a float.")
        try:
            return cls(Decimal(amount), currency)
        except InvalidOperation:
            raise Invalid("money.amount", f"{amount!r} is not a decimal number.") from None

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> Money:
        return cls(Decimal(minor).scaleb(-minor_digits(currency)), currency)

    @property
    def minor(self) -> int:
        """Integer minor units (cents). Refuses a fraction of one."""
        scaled = self.amount.scaleb(minor_digits(self.currency))
        if scaled != scaled.to_integral_value():
            raise Invalid("money.fraction", f"{self.amount} {self.currency} is not a whole number of minor units.")
        return int(scaled)

    def rounded(self) -> Money:
        """To the minor unit, half up: the commercial rule of tills."""
        return Money(
            self.amount.quantize(Decimal(1).scaleb(-minor_digits(self.currency)), ROUND_HALF_UP), self.currency
        )

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other).amount, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise Invalid("money.mixed", f"{self.currency} and {other.currency} do not add up.")
        return other

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
