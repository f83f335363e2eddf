"""Exceptions as rows: a message that cannot go with its batch, and the later ones of its key that must wait behind it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from runtime.ledger.claims import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.reading import Message, decoded

Mapper = Callable[[Message], Any]
"""`mapper(message)` gives what the target wants; raises `Unmappable` for a document that does not fit, `Skipped` for one
that is not for this target."""


T = TypeVar("T")


class Ended(Exception):
    """The process in which a message was tried has ended without an answer. `wait`: seconds that a call of it may still be under way."""

    wait = 0.0


class Run(Protocol):
    """Runs `work`, here or in a process of its own, and gives back what it returns; not longer than until `ends` (monotonic seconds)."""

    def __call__(self, work: Callable[[], T], ends: float) -> T: ...


def here(work: Callable[[], T], ends: float) -> T:
    """In this process, which ends where the message ends it."""
    return work()


class Lines:
    """A mapper that also knows the short way from the payloads of a whole batch to lines for the table (`copying.line` without the
    position); `many` answers None where the messages must be mapped one by one."""

    __slots__ = ("many", "one")

    def __init__(self, one: Mapper, many: Callable[[Sequence[bytes]], list[str] | None]) -> None:
        self.one, self.many = one, many

    def __call__(self, message: Message) -> Any:
        return self.one(message)


class Skipped(Exception):
    """The message is not for this target."""


class Unmappable(Exception):
    """The mapping refuses this one document. `reason_class` is `mapping` or `contract`."""

    def __init__(self, reason: str, *, reason_class: str = "mapping", pattern: str = "") -> None:
        super().__init__(reason)
        self.reason, self.reason_class, self.pattern = reason, reason_class, pattern or reason


@dataclass(slots=True)
class Stop:
    """Why one message is parked. `delay` in seconds until it may be tried again."""

    position: int
    key: str
    state: str
    reason_class: str = ""
    reason: str = ""
    pattern: str = ""
    delay: float = 0.0
    intent_release: int | None = None


_VARIABLE = re.compile(r"\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8,}\b|\d+")


def fingerprint(target: str, reason_class: str, pattern: str) -> str:
    """The same for messages that stopped for the same reason, whatever their keys, numbers and quoted values."""
    text = f"{target}\n{reason_class}\n{_VARIABLE.sub('#', pattern)[:400]}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def park(conn: Connection, taken: Claim, stops: Sequence[Stop]) -> None:
    """Park messages in the transaction that moves the position past them. Parking the same again changes nothing."""
    if not stops:
        return
    rows = [
        (
            taken.subscription,
            taken.lane,
            s.position,
            s.key,
            s.state,
            s.reason_class,
            _print_of(taken, s),
            s.reason[:2000],
            s.delay,
            s.intent_release,
        )
        for s in stops
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            """insert into runtime_parked (subscription_id, lane, position, key, state, reason_class, fingerprint, reason, not_before, intent_release)
               values (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s), %s) on conflict do nothing""",
            rows,
        )


def _print_of(taken: Claim, stop: Stop) -> str:
    return fingerprint(taken.target, stop.reason_class, stop.pattern or stop.reason) if stop.reason_class else ""


def behind(messages: Iterable[Message]) -> list[Stop]:
    return [Stop(m.position, m.key, "behind") for m in messages]


def suspects(messages: Iterable[Message], taken: Claim) -> list[Stop]:
    """Messages at which several owners have ended, unsent: each is tried alone, the first of its key first."""
    reason = f"{taken.attempt} workers ended while they worked here"
    return [Stop(m.position, m.key, "retry", "poison", reason) for m in messages]


def split(messages: Sequence[Message], waiting: set[str]) -> tuple[list[Message], list[Message]]:
    """(those that may go, those whose key waits), both in order."""
    if not waiting:
        return list(messages), []
    return [m for m in messages if m.key not in waiting], [m for m in messages if m.key in waiting]


def map_messages(
    messages: Sequence[Message], mapper: Mapper
) -> tuple[list[tuple[Message, Any]], list[Stop], list[int]]:
    """Mapped messages, stops, and positions that are not for this target: one that cannot be mapped is dead, later ones of its key wait behind it."""
    if isinstance(mapper, Lines) and messages:
        lines = mapper.many([message[2] for message in messages])
        if lines is not None:
            return list(zip(messages, lines, strict=True)), [], []
        messages, mapper = decoded(messages), mapper.one
    mapped: list[tuple[Message, Any]] = []
    stops: list[Stop] = []
    failed: set[str] = set()
    skipped: list[int] = []
    for message in messages:
        if failed and message.key in failed:
            stops.append(Stop(message.position, message.key, "behind"))
            continue
        try:
            mapped.append((message, mapper(message)))
        except Skipped:
            skipped.append(message.position)
        except Unmappable as error:
            failed.add(message.key)
            stops.append(Stop(message.position, message.key, "dead", error.reason_class, error.reason, error.pattern))
    return mapped, stops, skipped
