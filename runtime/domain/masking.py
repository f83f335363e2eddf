"""Cardholder data is taken out of a message as it comes in: of a document that is JSON, by the names in it, of other
text by its form."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from kernel.card_data import HIDDEN, MaskedCards, masked, masked_text

_SIGNS = (
    b"cv",
    b"cav",
    b"csc",
    b"cid",
    b"track",
    b"pin",
    b"pan",
    b"card",
    b"kart",
    b"ccn",
    b"secur",
    b"verif",
    b"magn",
    b"mags",
    b"\\u00",
)
_DIGITS = re.compile(rb"[0-9](?:[ -]?[0-9]){12}")
_CODE = re.compile(r"(?i)(\b(?:cvv2?|cvc2?|cav2)[\"']?\s{0,5}[:=>,;|]\s{0,5}[\"']?)[0-9]{3,4}(?![0-9])")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def without_cards(payload: bytes) -> tuple[bytes, MaskedCards]:
    """The payload without cardholder data, the same bytes where it has none, and what was taken."""
    count = MaskedCards()
    small = payload.lower()
    if not any(one in small for one in _SIGNS) and _DIGITS.search(payload) is None:
        return payload, count
    try:
        document = _decode(payload)
    except (ValueError, RecursionError, ArithmeticError):
        return _of_text(payload, count), count
    try:
        made = masked(document, count)
    except RecursionError:
        return _of_text(payload, count), count
    return (_encode(made) if count else payload), count


def _of_text(payload: bytes, count: MaskedCards) -> bytes:
    text = payload.decode("utf-8", "surrogateescape")
    shown, codes = _CODE.subn(rf"\g<1>{HIDDEN}", masked_text(text, count))
    count.dropped += codes
    return shown.encode("utf-8", "surrogateescape") if count else payload


def said_of(count: MaskedCards) -> str:
    """In words, for a receipt or a warning."""
    numbers = f"{count.numbers} card number{'s' if count.numbers != 1 else ''} masked"
    return f"cardholder data does not enter: {numbers}, {count.dropped} code{'s' if count.dropped != 1 else ''} dropped"


__all__ = ["said_of", "without_cards"]
