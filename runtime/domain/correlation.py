"""Correlation ids that carry the address of their message, so that nothing is stored for them and finding one is a key
probe.

32 hex digits, which is a valid W3C trace id (https://www.w3.org/TR/trace-context/ §3.2.2.3): 16 of the stream's salt, 4
of the stream, 2 of the lane, 10 of the position. A message that came with its own id keeps that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32


def trace_context(correlation: str, key: str, given: str = "") -> str | None:
    """A W3C trace context whose span is one delivery, known by its idempotency key: in the trace that was `given`, or
    in one that is the correlation id; None where that is no trace id."""
    trace, flags = (given[3:35], given[53:]) if given else (correlation, "01")
    if len(trace) != 32 or set(trace) - set("0123456789abcdef") or not int(trace, 16):
        return None
    span = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return f"00-{trace}-{span}-{flags}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message stands in the log."""

    stream: int
    lane: int
    position: int


def correlation_id(salt: int, stream: int, lane: int, position: int) -> str:
    return f"{salt:016x}{stream:04x}{lane:02x}{position:010x}"


def prefix(salt: int, stream: int, lane: int) -> str:
    """Everything but the position: `prefix(...) + f"{position:010x}"` is the id."""
    return f"{salt:016x}{stream:04x}{lane:02x}"


def address_of(correlation: str) -> tuple[int, Address] | None:
    """(salt, address) of an id that we made; None for anything else. The salt must still be compared with the
    stream's."""
    text = correlation.strip().lower()
    if len(text) != 32 or any(c not in "0123456789abcdef" for c in text):
        return None
    return int(text[:16], 16), Address(int(text[16:20], 16), int(text[20:22], 16), int(text[22:], 16))


STATE_MARK = "‖"
"""Stands between what a dated state is about and which state of it that is (`domain.validity`)."""


def lane_of(key: str, lanes: int) -> int:
    """The one lane of a key: CRC-32 of its UTF-8 modulo the number of lanes. All dated states of a subject share its
    lane, so that one comes after the other."""
    if STATE_MARK in key:
        key = key.partition(STATE_MARK)[0]
    return crc32(key.encode()) % lanes


def lanes_of(keys: Sequence[str], lanes: int) -> list[int]:
    """The lane of each of many keys."""
    if STATE_MARK in "".join(keys):
        return [lane_of(key, lanes) for key in keys]
    return [crc32(key.encode()) % lanes for key in keys]


def subject_of(key: str) -> str:
    """What a key is about: without the mark of one state."""
    return key.partition(STATE_MARK)[0]
