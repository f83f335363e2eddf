"""Quarantine: the rows of messages that cannot be delivered with their batch, and of the later messages with the same
key, which must wait behind them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runtime.ledger import sql
from runtime.ledger.claimed import Claim, seconds_since
from runtime.ledger.connections import Connection
from runtime.ledger.log_reader import LoggedMessage

_INSERT = sql.read("quarantine_insert")


@dataclass(slots=True)
class QuarantineEntry:
    """Why one message is in quarantine. `delay` in seconds until it may be tried again.

    `state` is one of `QuarantinedMessage.State`; `pattern` is the text by which equal failures are grouped (`reason` is
    used when it is empty); `intent_release` is the release whose request may have been sent. `rounds` counts the tries
    without an outcome, `accepted_as` is the name under which the vendor took the message, `first_sent` and `last_sent`
    are the bounds of when it was sent, in monotonic seconds.
    """

    position: int
    key: str
    state: str
    reason_class: str = ""
    reason: str = ""
    pattern: str = ""
    delay: float = 0.0
    intent_release: int | None = None
    rounds: int = 0
    accepted_as: str = ""
    first_sent: float | None = None
    last_sent: float | None = None

    def sent_between(self, first: float | None, last: float | None) -> None:
        """Keep when it may have been sent. What waits for its first try, or for another one, has not arrived."""
        if self.state in ("sending", "unknown"):
            self.first_sent, self.last_sent = first, last


_VARIABLE = re.compile(r"\"[^\"]*\"|'[^']*'|\b[0-9a-fA-F]{8,}\b|\d+")


def fingerprint(target: str, reason_class: str, pattern: str) -> str:
    """The same for messages that failed for the same reason, whatever their keys, numbers and quoted values."""
    text = f"{target}\n{reason_class}\n{_VARIABLE.sub('#', pattern)[:400]}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def quarantine(conn: Connection, taken: Claim, entries: Sequence[QuarantineEntry]) -> None:
    """Store messages in the transaction that moves the position past them. Storing the same again changes nothing."""
    if not entries:
        return
    rows = [
        (
            taken.subscription,
            taken.lane,
            entry.position,
            entry.key,
            entry.state,
            entry.reason_class,
            fingerprint_of(taken, entry),
            entry.reason[:2000],
            entry.delay,
            entry.intent_release,
            entry.rounds,
            entry.accepted_as[:200],
            seconds_since(entry.first_sent),
            seconds_since(entry.last_sent),
        )
        for entry in entries
    ]
    with conn.cursor() as cursor:
        cursor.executemany(_INSERT, rows)


def fingerprint_of(taken: Claim, entry: QuarantineEntry) -> str:
    """The fingerprint of an entry at the claimed target; empty without a reason class."""
    if not entry.reason_class:
        return ""
    return fingerprint(taken.target.name, entry.reason_class, entry.pattern or entry.reason)


def blocked_by_earlier(messages: Iterable[LoggedMessage]) -> list[QuarantineEntry]:
    """Messages that wait for an earlier one of their key."""
    return [QuarantineEntry(m.position, m.key, "behind") for m in messages]


def poison_suspects(messages: Iterable[LoggedMessage], taken: Claim) -> list[QuarantineEntry]:
    """Quarantine entries for unsent messages at which several workers ended. Each is retried alone, in the order of its
    key."""
    reason = f"{taken.lease.attempt} workers ended while they processed this message"
    return [QuarantineEntry(m.position, m.key, "retry", "poison", reason) for m in messages]


def split_blocked(
    messages: Sequence[LoggedMessage], waiting: set[str]
) -> tuple[list[LoggedMessage], list[LoggedMessage]]:
    """(messages that may be delivered, messages whose key is in `waiting`), both in order."""
    if not waiting:
        return list(messages), []
    return [m for m in messages if m.key not in waiting], [m for m in messages if m.key in waiting]
