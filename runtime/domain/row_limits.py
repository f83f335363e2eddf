"""What a row may be at most, whichever way it comes: the rule of intake (`domain.batches`), asked of many rows at once.

A row over it would otherwise be stored and then stop what reads it: a page, a mapping, a comparison by value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kernel import strict_json
from runtime.domain.batches import MOST_ITEM_BYTES, read_item

_STEP = 8  # every eighth byte is looked at: a number that is too long shows in so many of them in a row
_DIGITS = bytes(48 if chr(byte) in "0123456789." else 32 for byte in range(256))
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if chr(byte) not in "[]{}")
_LONG = b"0" * (strict_json.MOST_DIGITS // _STEP)


class OverLimits(ValueError):
    """Of several rows one is larger, deeper or has more digits than may be stored."""


def any_over_limits(rows: Sequence[bytes], *, shallow: bool = False) -> bool:
    """Whether one of many JSON texts is over the limits. Rows of the usual kind cost a look at their brackets and at
    every eighth byte; the brackets do not count where it is known that all are `shallow`."""
    if len(max(rows, key=len, default=b"")) > MOST_ITEM_BYTES:
        return True
    page = b",".join(rows)
    if _LONG in page[::_STEP].translate(_DIGITS):
        return any(map(over_limits, rows))
    if shallow:
        return False
    lists = page.count(b"[") if b"[" in page else 0
    most = strict_json.MAX_DEPTH - lists  # objects inside one another, were all lists in one row
    many = [row for row in rows if row.count(b"{") > most] if most > 1 else filter(_has_many_brackets, rows)
    return any(map(over_limits, filter(_may_be_deep, many)))


def _has_many_brackets(row: bytes) -> bool:
    return row.count(b"[") + row.count(b"{") > strict_json.MAX_DEPTH


def _may_be_deep(row: bytes) -> bool:
    """Whether the brackets of a JSON text, outside of its strings, may lie deeper than allowed: each round takes out
    what is innermost, two levels at most."""
    left = _STRING.sub(b"", row).translate(None, _NO_BRACKETS)
    for _ in range(strict_json.MAX_DEPTH // 2):
        if not left:
            return False
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    return bool(left)


def over_limits(row: bytes) -> str:
    """Why a JSON text cannot be stored; empty where it can, or is no JSON."""
    try:
        flaw = read_item(row).flaw
    except ValueError:
        return ""
    return "" if flaw is None else f"{flaw.message}{flaw.pointer and f' (at {flaw.pointer})'}"
