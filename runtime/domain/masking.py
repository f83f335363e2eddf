"""Cardholder data is taken out of a message as it comes in: of a document that is JSON, by the names in it, of other
text by its form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from kernel.card_data import CARD_NAMES, MaskedCards, masked, masked_text
from kernel.card_forms import FEWEST_DIGITS, HIDDEN, found_in, plain
from runtime.domain.member_names import any_named_twice, every_member
from runtime.domain.record_keys import number_text, parts_of

_KELVIN, _DOTTED = "\u212a".encode(), "\u0130".encode()  # small letters of these two are those of ASCII
_SMALL = bytes(range(256)).lower()
_SHAPED = bytes(ord("0") if chr(one) in "0123456789" else ord(".") if chr(one) in "/_\n" else one for one in range(256))
_BETWEEN = b" -.\t\r"
_FIRST = b"\xc2\xd6\xd8\xd9\xdb\xdc\xdf\xe0\xe1\xe2\xe3\xea\xef\xf0\xf3"  # of the characters that `_FOREIGN` finds
_NEVER_FOREIGN = bytes(one for one in range(256) if one not in _FIRST)
_BESIDE_NAMES = bytes(one for one in range(256) if not re.match(rb'[a-zA-Z0-9"]', bytes([one])))
_BY_LETTER = {name[0]: "|".join(one[1:] for one in sorted(CARD_NAMES) if one[0] == name[0]) for name in CARD_NAMES}
_NAMES = re.compile(f'"(?:{"|".join(f"{first}(?:{rest})" for first, rest in _BY_LETTER.items())})"'.encode())
_MANY, _FOURS = b"0" * FEWEST_DIGITS, b"0000.0000"
_APART = b"}\n{"  # between documents: no number and no name goes on behind it
_POWER = re.compile(rb"[0-9.][eE][+-]?[0-9]{1,3}(?![0-9A-Za-z\"])")
# What may be a digit, a blank or a dash of another script, by its first bytes.
_FOREIGN = re.compile(
    rb"""(?x) \xc2[\xa0\xad\xb7] | \xd6[\x8a\xbe] | \xd8[\x80-\x9c] | \xd9[\xa0-\xa9] | \xdb[\x9d\xb0-\xb9] | \xdc\x8f
    | \xdf[\x80-\x89] | \xe0 | \xe1 | \xe2[\x80\x81\x88\xb8\xb9] | \xe3[\x80\x82] | \xea[\x98-\xaf] | \xef[\xb8-\xbf]
    | \xf0(?!\x9f) | \xf0\x9f\xaf | \xf3"""
)
KEY_IS_A_CARD = "its key is a card number, and no message is stored under one; have its source name it otherwise"
KEY_WAS_MASKED = "its key has lost the middle of a number and may stand for several messages; hand it in whole"
_MASKED = re.compile(r"(?<![0-9])[0-9]{6}\*{3,9}[0-9]{4}(?![0-9])")
_CODE = re.compile(r"(?i)(\b(?:cvv2?|cvc2?|cav2)[\"']?\s{0,5}[:=>,;|]\s{0,5}[\"']?)[0-9]{3,4}(?![0-9])")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def without_cards(payload: bytes, key: str | None = None) -> tuple[bytes, MaskedCards]:
    """The payload without cardholder data, the same bytes where it has none, and what was taken. What names the message
    is not looked into, for two messages would become one: its `key` with the parts of that, and the member `id` of the
    document. `of_key` of what was taken: the key is a card number, by the name of its member or of one that has the
    same number."""
    count = MaskedCards()
    if not _may_hold_cards(payload):
        return payload, count
    try:
        document = _decode(payload)
    except (ValueError, RecursionError, ArithmeticError):
        return _of_text(payload, count), count
    try:
        if any_named_twice([payload]):  # it is to be rejected for that, when it is judged again, too
            document = every_member(payload)
        made = masked(document, count, kept=_names_of(document, key))
        if count.of_key:  # a member that is a card number by its name has the same number: it is one
            count.clear()
            made = masked(document, count, kept=_names_of(None, key))
        if count.of_key:
            count.clear()
            made = masked(document, count)
            count.of_key = True
    except (ValueError, RecursionError):
        return _of_text(payload, count), count
    return (_encode(made) if count else payload), count


def hold_no_cards(payloads: Sequence[bytes]) -> bool:
    """Whether one look at the bytes of several documents shows that nothing would be taken from any of them."""
    return not _may_hold_cards(_APART.join(payloads))


def _names_of(document: Any, key: str | None) -> frozenset[str]:
    """The texts that name a message."""
    own = document.get("id") if isinstance(document, dict) else None
    names = [] if key is None else [key]
    if isinstance(own, str):
        names.append(own)
    elif isinstance(own, int | Decimal) and not isinstance(own, bool):
        names.append(number_text(own))
    return frozenset(part for name in names for part in (name, *parts_of(name)))


def _may_hold_cards(payload: bytes) -> bool:
    """False where a look at the bytes shows that nothing would be taken: neither names of card data, nor a card number
    by its form, nor anything that is written otherwise than it is meant."""
    ascii_only = payload.isascii()
    if b"\\" in payload or (not ascii_only and (_KELVIN in payload or _DOTTED in payload)):
        return True
    text, shaped = ("", payload.translate(_SHAPED, _BETWEEN)) if ascii_only else _of_scripts(payload)
    if (_MANY in shaped or _FOURS in shaped) and _holds_number(payload, text, shaped):
        return True
    names = payload.translate(_SMALL, _BESIDE_NAMES)
    if b"cv" in names and (b"cvv" in names or b"cvc" in names):
        return True
    return b"cav2" in names or _NAMES.search(names) is not None


def _of_scripts(payload: bytes) -> tuple[str, bytes]:
    """The text in characters of ASCII, where others of it may be digits, blanks or dashes (else empty), and how its
    digits stand."""
    if payload.translate(None, _NEVER_FOREIGN) and _FOREIGN.search(payload):
        text = plain(payload.decode("utf-8", "surrogateescape"))
        return text, text.encode("utf-8", "surrogateescape").translate(_SHAPED, _BETWEEN)
    return "", payload.translate(_SHAPED, _BETWEEN)


def _holds_number(payload: bytes, text: str, shaped: bytes) -> bool:
    """False where neither a text nor a number in it is a card number."""
    if (b"0e" in shaped or b"0E" in shaped) and _POWER.search(payload):
        return True
    return bool(found_in(text or payload.decode("latin-1")))


def _of_text(payload: bytes, count: MaskedCards) -> bytes:
    text = payload.decode("utf-8", "surrogateescape")
    shown, codes = _CODE.subn(rf"\g<1>{HIDDEN}", masked_text(text, count))
    count.dropped += codes
    return shown.encode("utf-8", "surrogateescape") if count else payload


def was_masked(key: str) -> bool:
    """Whether a part of a key has lost its middle: it may stand for several messages."""
    return "***" in key and _MASKED.search(key) is not None


def said_of(count: MaskedCards) -> str:
    """In words, for a receipt or a warning."""
    numbers = f"{count.numbers} card number{'s' if count.numbers != 1 else ''} masked"
    return f"cardholder data does not enter: {numbers}, {count.dropped} code{'s' if count.dropped != 1 else ''} dropped"


__all__ = ["KEY_IS_A_CARD", "KEY_WAS_MASKED", "hold_no_cards", "said_of", "was_masked", "without_cards"]
