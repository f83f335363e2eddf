"""What is appended to the log, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

BULK = 50  # from this many rows on COPY is cheaper than INSERT
# The constructor that NamedTuple generates is a Python function; a page holds thousands of records, and this takes half
# the time.
_new = tuple.__new__


class Fenced(Exception):
    """Another worker holds the lane or the source now, or the gate closed: roll back and forget."""


class IncomingMessage(NamedTuple):
    """One message to append. `key` holds neither NUL nor the unit separator (U+001F) and is not empty; `payload` is
    JSON text; `version` orders states of one key, 0 where the source has none, `AtLeast` where only their arrival
    does."""

    key: str
    version: int
    payload: bytes
    correlation: str | None = None
    causation: str | None = None
    traceparent: str | None = None


class SourceMove(NamedTuple):
    """Where the cursor (JSON text) of a source goes with an append: `id` and `token` are those of the claim, and the
    lease is renewed by so many seconds."""

    id: int
    token: int
    cursor: str | None
    lease_seconds: float = 15.0


def incoming_messages(
    prefix: str, keys: Iterable[str], versions: Iterable[int], payloads: Iterable[bytes]
) -> list[IncomingMessage]:
    """Items that came with nothing else, made the short way."""
    return [
        _new(IncomingMessage, (prefix + key, version, payload, None, None, None))
        for key, version, payload in zip(keys, versions, payloads, strict=True)
    ]


@dataclass(slots=True)
class Appended:
    """Counts, spans `(lane, first, last)` of the new positions, and per item its `(lane, position)`: UNCHANGED, OLDER
    CONFLICT or TOO_OLD where nothing was written.

    `conflicts_again` of the conflicts were known with this content. `held` says for unchanged items, if that was asked
    for, at which position the same content stands.
    """

    accepted: int = 0
    unchanged: int = 0
    older: int = 0
    conflicts: int = 0
    conflicts_again: int = 0
    too_old: int = 0
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    positions: list[tuple[int, int]] = field(default_factory=list)
    held: dict[int, int] | None = None

    def part(self, start: int, end: int) -> Appended:
        """What became of some of the items, for those who stored them together with others."""
        return Appended(positions=self.positions[start:end])


UNCHANGED, OLDER, CONFLICT, TOO_OLD = (0, 0), (0, -1), (0, -2), (0, -3)
Finer = Callable[[bytes], str]
"""What the version in a payload says beyond `version` of its message, as text that compares."""
Head = tuple[int, int, int]  # content hash, version, position of a key's last message
