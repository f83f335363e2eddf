"""Read the log: the next messages of a lane, and which of their keys have a message in quarantine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from runtime.domain.correlation import prefix
from runtime.ledger import clock_steps
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection

CORRECTION = re.compile(r"conflict [0-9]{1,18}\Z")
_documents = msgspec.json.Decoder(list[Any], float_hook=Decimal)  # money never passes through a float
_document = msgspec.json.Decoder(float_hook=Decimal)
# The constructor that NamedTuple generates is a Python function; a batch makes thousands of messages, and this takes
# half the time.
_new = tuple.__new__


class LoggedMessage(NamedTuple):
    """One message as delivery sees it. `document` is the decoded payload.

    `traceparent` is the trace context that it came with, empty without one. `corrects`: a person let it in beside the
    first fact, in its place. Read raw, `document` is the payload,
    `previous` the position of the message before it under its key (0: none), and
    `correlation` empty where the message came without one: a reader of raw messages does not use it.
    """

    position: int
    key: str
    document: Any
    correlation: str
    previous: int = -1
    traceparent: str = ""
    corrects: bool = False


def decode(payload: bytes) -> Any:
    """One payload; fractions as Decimal."""
    return _document.decode(payload)


def until_a_key_repeats(messages: list[LoggedMessage]) -> list[LoggedMessage]:
    """The first messages of a batch, up to the one whose key was there before."""
    seen: set[str] = set()
    for index, message in enumerate(messages):
        if message.key in seen:
            return messages[:index]
        seen.add(message.key)
    return messages


_NEXT = """
select position, key, correlation, traceparent, causation, payload
from runtime_message
where stream_id = %s and lane = %s and position > %s and position <= %s
order by position
limit %s"""
_NEXT_RAW = _NEXT.replace("causation, payload\n", "payload, previous\n")
_OLDEST_AGE = """
select extract(epoch from clock_timestamp() - min(received_at))::float8
from runtime_message
where stream_id = %s and lane = %s and position between %s and %s"""


def read_next(
    conn: Connection, taken: Claim, after: int, count: int, *, upto: int | None = None, raw: bool = False
) -> list[LoggedMessage]:
    """At most `count` messages after a position, in order, not beyond `upto` (default: the claim's end). `raw`: not
    decoded yet."""
    end, target = upto if upto is not None else taken.upto, taken.target
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(
            _NEXT_RAW if raw else _NEXT, (target.stream, taken.lane, after, end if end is not None else 2**62, count)
        ).fetchall()
    if raw:
        return [
            _new(LoggedMessage, (position, key, payload, correlation or "", previous, traceparent or "", False))
            for position, key, correlation, traceparent, payload, previous in rows
        ]
    start = prefix(target.stream_salt, target.stream, taken.lane)
    documents = _documents.decode(b"[" + b",".join([row[5] for row in rows]) + b"]") if rows else []
    return [
        LoggedMessage(
            position,
            key,
            document,
            correlation or f"{start}{position:010x}",
            -1,
            traceparent or "",
            cause is not None and CORRECTION.match(cause) is not None,
        )
        for (position, key, correlation, traceparent, cause, _), document in zip(rows, documents, strict=True)
    ]


def decoded(messages: Sequence[LoggedMessage]) -> list[LoggedMessage]:
    """Messages that were read raw, with their documents."""
    documents = _documents.decode(b"[" + b",".join([message.document for message in messages]) + b"]")
    return [message._replace(document=document) for message, document in zip(messages, documents, strict=True)]


def oldest_age(conn: Connection, taken: Claim, first: int, last: int) -> float:
    """Seconds since the oldest of some messages arrived; none of them can have been sent before. What arrived ahead of
    the clock, before it was set back, arrived nobody knows when."""
    row = conn.execute(_OLDEST_AGE, (taken.target.stream, taken.lane, first, last)).fetchone()
    longest = clock_steps.watch.no_less_ago(row[0] if row else None)
    return 0.0 if longest is None else longest


def quarantined_keys(conn: Connection, taken: Claim, messages: Sequence[LoggedMessage]) -> set[str]:
    """Keys among these messages that have an earlier message in quarantine."""
    row = conn.execute(
        "select exists (select from runtime_quarantine where subscription_id = %s)", (taken.subscription,)
    ).fetchone()
    if not row or not row[0] or not messages:
        return set()
    found = conn.execute(
        "select distinct key from runtime_quarantine where subscription_id = %s and key = any(%s) and position < %s",
        (taken.subscription, list({message.key for message in messages}), messages[0].position),
    )
    return {key for (key,) in found.fetchall()}
