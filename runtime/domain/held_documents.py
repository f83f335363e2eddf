"""Whether a document that a target has is the one that was sent: what it says it holds, compared field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from runtime.domain.reconciliation import amount_of
from runtime.domain.templates import field

Held = Mapping[str, str]
"""What a document says it holds, as text, by the field of what is sent. What it does not say is left out."""


def unlike(held: Held, sent: Any) -> list[str]:
    """What differs, in words: "total 30.00 was sent, 25.00 is there". Numbers count by their value. A field that either
    side does not say is not compared."""
    found = []
    for name, there in sorted(held.items()):
        here = field(sent, name)
        if here is None or here == "" or not there or _same(here, there):
            continue
        found.append(f"{name} {_text(here)} was sent, {there} is there")
    return found


def none_is_it(documents: Sequence[Held], sent: Any) -> str:
    """Why no document of several is the one that was sent; empty where one is, or none says what it holds."""
    each = [unlike(held, sent) for held in documents]
    if not each or not all(each):
        return ""
    return "; ".join(_joined(words) for words in each)[:500]


def one_shows(documents: Sequence[Held], sent: Any, fields: Iterable[str]) -> bool:
    """Whether a document shows every one of these fields that was sent, at least one, and none of them differs. What a
    document does not say proves nothing."""
    due = [name for name in fields if field(sent, name) not in (None, "")]
    return any(due and all(held.get(name) for name in due) and not unlike(held, sent) for held in documents)


def _joined(words: Iterable[str]) -> str:
    return " and ".join(words)


def _same(here: Any, there: str) -> bool:
    mine, theirs = amount_of(here), amount_of(there)
    if mine is not None and theirs is not None:
        return mine == theirs
    return _text(here) == there


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
