"""The text of a key: numbers by their value, and the one text that several parts become, joined by `/`, so that no two
lists of parts have the same text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

LONGEST = 500  # digits of a whole number that are written out
_SIGNS = re.compile(r"\\.|/|[^/\\]+|\\", re.DOTALL)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def number_text(number: int | float | Decimal) -> str:
    """A number as the text of a key: the same for every spelling of its value, and a whole number in plain digits.
    `7`, `7.0`, `7.00`, `7e0` and `0.7e1` are one key, `1.5` and `1.50` another one."""
    if number.__class__ is int:
        return str(number)
    value = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not value.is_finite():
        raise ValueError(f"{value} is no number")
    if not value:
        return "0"
    value = value.normalize(_EXACT)
    exponent = value.as_tuple().exponent
    return (
        format(value, "f") if isinstance(exponent, int) and exponent >= 0 and value.adjusted() < LONGEST else str(value)
    )


def joined(parts: Sequence[str]) -> str:
    """Parts without `/` and `\\` are joined as they are; in others a `\\` stands before each of the two. A single part
    is its own text."""
    text = "/".join(parts)
    if len(parts) == 1 or ("\\" not in text and text.count("/") == len(parts) - 1):
        return text
    return "/".join([part.replace("\\", "\\\\").replace("/", "\\/") for part in parts])


def parts_of(key: str) -> list[str]:
    """What was joined."""
    if "\\" not in key:
        return key.split("/")
    parts = [""]
    for sign in _SIGNS.findall(key):
        if sign == "/":
            parts.append("")
        else:
            parts[-1] += sign[1:] if sign[0] == "\\" and len(sign) > 1 else sign
    return parts


__all__ = ["joined", "number_text", "parts_of"]
