"""Cardholder data, kept out of what is stored: PCI DSS 4.0 lets nobody keep codes, tracks and PIN blocks after an
authorisation (3.3.1), and asks that a card number be unreadable (3.5) and be shown with its first six and last four
digits at most (3.4).

A value is card data by the name beside it, or by its form: so many digits as its issuer uses, with the check digit of
ISO/IEC 7812-1. Names of articles, of places and packages of trade, and of loyalty accounts are not looked into: their
numbers may look like cards, and are what the message is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kernel.redaction import passes_check_digit

HIDDEN = "***"
_WORDS = re.compile(r"[^a-z0-9]")
_NUMBERS = frozenset(
    (
        *("pan", "primaryaccountnumber", "cardnumber", "cardno", "cardnum", "creditcardnumber", "debitcardnumber"),
        *("accountpan", "clearpan", "ccnumber", "ccnum", "kartennummer"),
    )
)
_SECRETS = frozenset(
    (
        *("cvv", "cvv2", "cvc", "cvc2", "cid", "cav2", "csc", "cardverificationvalue", "cardverificationcode"),
        *("cardsecuritycode", "securitycode", "verificationvalue", "track", "track1", "track2", "track3", "trackdata"),
        *("track1data", "track2data", "track3data", "magneticstripe", "magstripe", "pinblock", "encryptedpinblock"),
        *("cardpin", "tracks", "cvvcode", "cvccode", "cvvnumber"),
    )
)
CARD_NAMES = _NUMBERS | _SECRETS
_OTHER = re.compile(
    "item|gtin|ean|upc|sku|barcode|article|product|material|loyalty|member|program|transactionid|"
    "sequence|receipt|order|giftc|sscc|gln|serial|"
    "^(?:lin|pia|gin|gir|pci|sn1|po1|it1|sln|man|ctp)[0-9]{2}"  # elements of EDI segments about articles and packages
)
# Issuers by their first digits, with the lengths of their numbers.
_ISSUED = re.compile(
    r"""(?x) 4(?:[0-9]{15}|[0-9]{18}) | 5[1-5][0-9]{14} | 2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}
    | 3[47][0-9]{13} | (?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15} | 35(?:2[89]|[3-8][0-9])[0-9]{12,15}
    | (?:30[0-5][0-9]|3095|3[689][0-9]{2})[0-9]{10,15} | 62[0-9]{14,17}
    | (?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12,15}"""
)  # of Maestro those of 16 digits and more: in 13 stand the articles of Great Britain
_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ -]?[0-9]){13,18}(?![0-9A-Za-z])")
FEWEST_DIGITS = 14  # of the issuers above
_MANY = re.compile(r"[0-9](?:[ -]?[0-9]){13}")


@dataclass
class MaskedCards:
    """What was found: card numbers that lost their middle, and values that were dropped."""

    numbers: int = 0
    dropped: int = 0

    def __bool__(self) -> bool:
        return bool(self.numbers or self.dropped)

    def add(self, other: MaskedCards) -> None:
        self.numbers += other.numbers
        self.dropped += other.dropped

    def clear(self) -> None:
        self.numbers = self.dropped = 0

    @property
    def as_data(self) -> dict[str, int]:
        return {"masked": self.numbers, "dropped": self.dropped}


def masked(value: Any, count: MaskedCards, name: str = "") -> Any:
    """The same value where it holds no card data, else a copy without. `name` is that of the member it stands in."""
    if isinstance(value, dict):
        return _same(value, {key: masked(one, count, str(key)) for key, one in value.items()})
    if isinstance(value, list):
        return _same(value, [masked(one, count, name) for one in value])
    if value is None or isinstance(value, bool):
        return value
    if name and _named(name) in _SECRETS and not isinstance(value, str):
        count.dropped += 1
        return HIDDEN
    if isinstance(value, int) and abs(value) >= 10 ** (FEWEST_DIGITS - 1):
        text = masked_text(str(value), count, name)
        return value if text == str(value) else text
    return masked_text(value, count, name) if isinstance(value, str) else value


def _same(before: Any, after: Any) -> Any:
    pairs = (
        zip(before.values(), after.values(), strict=True)
        if isinstance(before, dict)
        else zip(before, after, strict=True)
    )
    return before if all(one is other for one, other in pairs) else after


def masked_text(text: str, count: MaskedCards, name: str = "") -> str:
    """The text without card data; `name` is that of its element, attribute or member."""
    said = _named(name) if name else ""
    if said in _SECRETS:
        if not text.strip() or text == HIDDEN:
            return text
        count.dropped += 1
        return HIDDEN
    if said in _NUMBERS:
        return _number(text, count)
    if _MANY.search(text) is None or (said and _OTHER.search(said) is not None):
        return text
    return _RUN.sub(lambda found: _card(found[0], count), text)


def holds_number(text: str) -> bool:
    """Whether a card number stands in the text by its form, whatever name it has."""
    return any(_is_card(_digits(found[0])) for found in _RUN.finditer(text))


@lru_cache(4096)
def _named(name: str) -> str:
    return _WORDS.sub("", name.lower())


def _number(text: str, count: MaskedCards) -> str:
    digits = "".join(one for one in text if one.isascii() and one.isdecimal())
    if not text.strip() or text == HIDDEN or (len(digits) <= 10 and any(one in text for one in "*xX#•")):
        return text  # masked already
    count.numbers += 1
    return _short(digits) if 13 <= len(digits) <= 19 and len(digits) * 2 > len(text) else HIDDEN


def _card(written: str, count: MaskedCards) -> str:
    digits = _digits(written)
    if not _is_card(digits):
        return written
    count.numbers += 1
    return _short(digits)


def _digits(written: str) -> str:
    return written.replace(" ", "").replace("-", "")


def _is_card(digits: str) -> bool:
    return _ISSUED.fullmatch(digits) is not None and passes_check_digit(digits)


def _short(digits: str) -> str:
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"
