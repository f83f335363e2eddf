"""Cardholder data, kept out of what is stored: PCI DSS 4.0 lets nobody keep codes, tracks and PIN blocks after an
authorisation (3.3.1), and asks that a card number be unreadable (3.5) and be shown with its first six and last four
digits at most (3.4).

A value is card data by the name beside it, or by its form (`kernel.card_forms`). Names of articles, of places and
packages of trade, of loyalty accounts, and of what names a receipt are not looked into: their numbers may look like
cards, and are what the message is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from operator import is_
from typing import Any

from kernel.card_forms import FEWEST_DIGITS, HIDDEN, found_in, plain, replaced, short

_FEWEST, _FAR_MORE = 10 ** (FEWEST_DIGITS - 1), 10**60
_WORDS = re.compile(r"[^a-z0-9]")
_NUMBERS = frozenset(
    (
        *("pan", "primaryaccountnumber", "cardnumber", "cardno", "cardnum", "creditcardnumber", "debitcardnumber"),
        *("accountpan", "clearpan", "ccnumber", "ccnum", "kartennummer", "kartennr", "applicationpan", "tag5a"),
    )
)
_SECRETS = frozenset(
    (
        *("cvv", "cvv2", "cvc", "cvc2", "cid", "cav2", "csc", "cardverificationvalue", "cardverificationcode"),
        *("cardsecuritycode", "securitycode", "verificationvalue", "track", "track1", "track2", "track3", "trackdata"),
        *("track1data", "track2data", "track3data", "magneticstripe", "magstripe", "pinblock", "encryptedpinblock"),
        *("cardpin", "tracks", "cvvcode", "cvccode", "cvvnumber", "iccdata", "iccrelateddata", "emvdata", "emvtags"),
        *("emvtlv", "carddata", "tag57", "track2equivalentdata", "track2equivalent", "pvki", "pvv"),
        *("pinverificationvalue", "pinverificationkeyindicator"),
    )
)
CARD_NAMES = _NUMBERS | _SECRETS
_OTHER = re.compile(
    "item|gtin|ean|upc|sku|barcode|article|product|material|loyalty|member|program|transactionid|"
    "sequence|receipt|order|giftc|sscc|gln|serial|"
    "^(?:(?:retail)?store(?:id|locationid)?|unitid|workstation(?:id)?|register(?:id)?|till(?:id)?|kassid|"
    "operator(?:id)?|cashier(?:id)?|kassierer|bonnummer|refbonnr|sndprn)$|"  # they name a receipt
    "^(?:lin|pia|gin|gir|pci|sn1|po1|it1|sln|man|ctp)[0-9]{2}"  # elements of EDI segments about articles and packages
)
_OF_TEXT = re.compile(
    "(?:text|note|comment|remark|memo|message|image|print|printout|footer|header|body|content|description)s?$"
    "|receiptlines?$"
)  # whatever such a text is about, anything may stand in it


@dataclass
class MaskedCards:
    """What was found: card numbers that lost their middle, and values that were dropped. `of_key`: the member that
    names the message is a card number by its own name, so the message cannot be kept under it."""

    numbers: int = 0
    dropped: int = 0
    of_key: bool = False

    def __bool__(self) -> bool:
        return bool(self.numbers or self.dropped)

    def add(self, other: MaskedCards) -> None:
        self.numbers += other.numbers
        self.dropped += other.dropped
        self.of_key = self.of_key or other.of_key

    def clear(self) -> None:
        self.numbers, self.dropped, self.of_key = 0, 0, False

    @property
    def as_data(self) -> dict[str, int]:
        return {"masked": self.numbers, "dropped": self.dropped}


def masked(value: Any, count: MaskedCards, name: str = "", kept: frozenset[str] = frozenset()) -> Any:
    """The same value where it holds no card data, else a copy without. `name` is that of the member it stands in;
    `kept` are the texts that name the message, which are not looked into."""
    if isinstance(value, str):
        return masked_text(value, count, name, kept)
    if isinstance(value, dict):
        made = {key: masked(one, count, str(key), kept) for key, one in value.items()}
        short_names = max(map(len, value), default=0) < FEWEST_DIGITS
        return _same(value, made if short_names or all(map(_is_plain, value)) else _without_numbers(made, count))
    if isinstance(value, list):
        return _same(value, [masked(one, count, name, kept) for one in value])
    if value is None or isinstance(value, bool):
        return value
    if name and _named(name) in _SECRETS:
        count.dropped += 1
        return HIDDEN
    if (text := _digits_of(value)) is None:
        return value
    shown = masked_text(text, count, name, kept)
    return value if shown == text else shown


def _digits_of(value: Any) -> str | None:
    """A number as it would be written on a card; None for one that has fewer digits, or far more."""
    if isinstance(value, int):
        return str(value) if _FEWEST <= abs(value) < _FAR_MORE else None
    if not isinstance(value, Decimal):
        return None
    if value.adjusted() < FEWEST_DIGITS - 1 or value.adjusted() >= 60 or len(value.as_tuple().digits) < FEWEST_DIGITS:
        return None
    return str(int(value)) if value == value.to_integral_value() else format(value, "f")


def _is_plain(name: str) -> bool:
    return not holds_number(name)


def _without_numbers(members: dict[str, Any], count: MaskedCards) -> dict[str, Any]:
    """Names in which card numbers stand lose them; each stays another one than those beside it."""
    made: dict[str, Any] = {}
    for name, value in members.items():
        shown = bare = name if _is_plain(name) else name.__class__(masked_text(name, count))
        number = 2
        while shown in made or (shown != name and shown in members):
            shown, number = f"{bare} ({number})", number + 1
        made[shown] = value
    return made


def _same(before: Any, after: Any) -> Any:
    if isinstance(before, dict):
        same = before.keys() == after.keys() and all(map(is_, before.values(), after.values()))
    else:
        same = all(map(is_, before, after))
    return before if same else after


def masked_text(text: str, count: MaskedCards, name: str = "", kept: frozenset[str] = frozenset()) -> str:
    """The text without card data; `name` is that of its element, attribute or member, `kept` as in `masked`."""
    said = _named(name) if name else ""
    if said in _SECRETS:
        if not text.strip() or text == HIDDEN:
            return text
        count.dropped += 1
        return HIDDEN
    if said in _NUMBERS:
        count.of_key = count.of_key or (text in kept and holds_number(text))
        return _number(text, count)
    if text in kept:
        return text
    if len(text) < FEWEST_DIGITS or (said and _names_a_thing(said)):
        return text
    if not (found := found_in(plain(text))):
        return text
    tracks = sum(one.shown == HIDDEN for one in found)
    count.numbers, count.dropped = count.numbers + len(found) - tracks, count.dropped + tracks
    return replaced(text, found)


def holds_number(text: str) -> bool:
    """Whether a card number or a track stands in the text by its form, whatever name it has."""
    return len(text) >= FEWEST_DIGITS and bool(found_in(plain(text)))


@lru_cache(4096)
def _named(name: str) -> str:
    return _WORDS.sub("", name.lower())


@lru_cache(4096)
def _names_a_thing(said: str) -> bool:
    return _OTHER.search(said) is not None and _OF_TEXT.search(said) is None


def _number(text: str, count: MaskedCards) -> str:
    digits = "".join(one for one in text if one.isascii() and one.isdecimal())
    if not text.strip() or text == HIDDEN or (len(digits) <= 10 and any(one in text for one in "*xX#•")):
        return text  # masked already
    count.numbers += 1
    return short(digits) if 13 <= len(digits) <= 19 and len(digits) * 2 > len(text) else HIDDEN
