"""Numbers as files write them: with the decimal mark of their country, marks between groups of digits, a sign before
or behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_PLAIN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([+-]?)", re.ASCII)
LONGEST = 64  # digits; more are no amount


@dataclass(frozen=True, slots=True)
class NumberForm:
    """`decimal` stands before the fraction, `grouping` between groups of three digits (empty: nowhere)."""

    decimal: str = "."
    grouping: str = ""

    def wrong(self) -> str:
        """What is wrong with the two marks, in words; empty when they will do."""
        for name, mark in (("decimal", self.decimal), ("grouping", self.grouping)):
            if len(mark) > 1 or mark in tuple("0123456789+-"):
                return f"{name!r} is one character, and no digit or sign"
        if not self.decimal or self.decimal == self.grouping:
            return "'decimal' is one character, and another one than 'grouping'"
        return ""

    def read(self, text: str) -> Decimal | None:
        """The exact value; None for what is no number in this form: empty text, exponents, digits of other scripts."""
        text = text.strip()
        whole, mark, fraction = text.partition(self.decimal)
        if self.grouping:
            if self.grouping in fraction or not _grouped(whole.strip("+-"), self.grouping):
                return None
            whole = whole.replace(self.grouping, "")
        found = _PLAIN.fullmatch(f"{whole}.{fraction}" if mark else whole) if "." not in whole + fraction else None
        if not found or not (found[2] or found[3]) or (found[1] and found[4]) or len(text) > LONGEST:
            return None
        value = Decimal(f"{found[2] or '0'}.{found[3] or '0'}" if found[3] else found[2])
        return -value if "-" in (found[1], found[4]) else value


def _grouped(whole: str, mark: str) -> bool:
    first, *others = whole.split(mark)
    return not others or (1 <= len(first) <= 3 and all(len(one) == 3 for one in others))


def whole_number(text: str) -> int | None:
    """A count: plain digits, with or without zeros before them; None for everything else."""
    text = text.strip()
    return int(text) if re.fullmatch("[0-9]{1,18}", text, re.ASCII) else None
