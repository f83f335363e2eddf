"""Numbers of a POSLog document: decimals with their own digits, or a refusal that says where."""

from __future__ import annotations

import re
from decimal import Decimal

from runtime.connectors.poslog.stated import BadTransaction

_AMOUNT = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?\Z")


def number(value: str | None, where: str) -> Decimal | None:
    """None where nothing is stated. Raises BadTransaction for what is no plain decimal."""
    if value is None:
        return None
    if not _AMOUNT.match(value):
        raise BadTransaction(f"{where} is {value[:40]!r}, not a number")
    return Decimal(value)


def plain(value: object) -> Decimal | None:
    """Of a text that is a plain decimal."""
    return Decimal(value) if isinstance(value, str) and _AMOUNT.match(value) else None


def whole(value: str | None, fallback: int) -> int:
    return int(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 10 else fallback
