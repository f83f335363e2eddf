"""What stands in the place of a payload that was erased: nothing of a person, but enough that every count stays and
that the same fact is known when it comes again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from runtime.domain import same_value
from runtime.domain.reconciliation import Facts, facts_of

BEGINS = b'{"$erased": true'  # the database knows this text, too
ERASED = BEGINS + b"}"
LONGEST = 160  # bytes
_MEMBERS = frozenset(("$erased", "businessDate", "store", "same"))
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STORE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,31}")  # a code; a name of somebody has no place here
Hashes = Callable[[Sequence[bytes]], Sequence[int]]
"""Keyed hashes of contents, as the stream has them."""


def in_place_of(payload: bytes, hashes: Hashes) -> bytes:
    """What stays of a payload: its business day and store, by which messages are counted, and a keyed hash of its
    value, by which it is known again. What was erased before stays as it is."""
    if is_erased(payload):
        return payload
    try:
        facts = facts_of(msgspec.json.decode(payload))
    except (msgspec.DecodeError, ValueError, RecursionError):
        facts = facts_of(None)
    left, said = left_of(facts), BEGINS
    if left.day:
        said += f', "businessDate": "{left.day}"'.encode()
    if left.store:
        said += f', "store": "{left.store}"'.encode()
    return said + f', "same": "{_value(payload, hashes)}"}}'.encode()


def left_of(facts: Facts) -> Facts:
    """The day and the store of a message, where they are nothing else."""
    day = facts.day if _DAY.fullmatch(facts.day) else ""
    return Facts(store=facts.store if _STORE.fullmatch(facts.store) else "", day=day)


def is_erased(payload: bytes) -> bool:
    return len(payload) <= LONGEST and payload.startswith(BEGINS) and is_erased_document(_document(payload))


def is_erased_document(document: Any) -> bool:
    return document.__class__ is dict and document.get("$erased") is True and document.keys() <= _MEMBERS


def is_same(erased: bytes, payload: bytes, hashes: Hashes) -> bool:
    """Whether a payload is the value that was erased. Of what was erased before hashes were kept, nobody can tell."""
    known = _document(erased)
    return isinstance(known, dict) and known.get("same") == _value(payload, hashes)


def _document(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, ValueError):
        return None


def _value(payload: bytes, hashes: Hashes) -> str:
    canonical = same_value.canonical(payload)
    return f"{hashes((payload if canonical is None else canonical,))[0]:x}"
