"""Cardholder data is taken out of a message as it comes in: of a document that is JSON, by the names in it, of other
text by its form."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from kernel.card_data import CARD_NAMES, FEWEST_DIGITS, HIDDEN, MaskedCards, holds_number, masked, masked_text

_KELVIN, _DOTTED = "\u212a".encode(), "\u0130".encode()  # small letters of these two are those of ASCII
_SMALL = bytes(range(256)).lower()
_BESIDE_NAMES = bytes(one for one in range(256) if not re.match(rb'[a-zA-Z0-9"]', bytes([one])))
_BY_LETTER = {name[0]: "|".join(one[1:] for one in sorted(CARD_NAMES) if one[0] == name[0]) for name in CARD_NAMES}
_NAMES = re.compile(f'"(?:{"|".join(f"{first}(?:{rest})" for first, rest in _BY_LETTER.items())})"'.encode())
_ZEROS = bytes(ord("0") if ord("0") <= one <= ord("9") else one for one in range(256))
_MANY = b"0" * FEWEST_DIGITS
_CODE = re.compile(r"(?i)(\b(?:cvv2?|cvc2?|cav2)[\"']?\s{0,5}[:=>,;|]\s{0,5}[\"']?)[0-9]{3,4}(?![0-9])")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def without_cards(payload: bytes) -> tuple[bytes, MaskedCards]:
    """The payload without cardholder data, the same bytes where it has none, and what was taken."""
    count = MaskedCards()
    if not _may_hold_cards(payload):
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


def _may_hold_cards(payload: bytes) -> bool:
    """False where a look at the bytes shows that nothing would be taken: neither names of card data, nor a card number
    by its form, nor anything that is written otherwise than it is meant."""
    if b"\\" in payload or (not payload.isascii() and (_KELVIN in payload or _DOTTED in payload)):
        return True
    if _MANY in payload.translate(_ZEROS, b" -") and holds_number(payload.decode("latin-1")):
        return True
    names = payload.translate(_SMALL, _BESIDE_NAMES)
    return b"cvv" in names or b"cvc" in names or b"cav2" in names or _NAMES.search(names) is not None


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
