"""Read the log: the next messages of a lane, one message by address, the history of a key."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from runtime.domain.correlation import prefix
from runtime.ledger.claims import Claim
from runtime.ledger.connections import Connection

_documents = msgspec.json.Decoder(list[Any], float_hook=Decimal)  # money never passes through a float
_document = msgspec.json.Decoder(float_hook=Decimal)


class Message(NamedTuple):
    """One message as delivery sees it. `document` is the decoded payload.

    Taken raw, `document` is the payload, `previous` the position of the message before it under its key (0: none), and
    `correlation` empty where the message came with none of its own: who takes messages raw does not read it.
    """

    position: int
    key: str
    document: Any
    correlation: str
    previous: int = -1


def decode(payload: bytes) -> Any:
    return _document.decode(payload)


_NEXT = """
select position, key, correlation, payload from runtime_message
 where stream_id = %s and lane = %s and position > %s and position <= %s order by position limit %s"""
_NEXT_RAW = _NEXT.replace("payload from", "payload, previous from")


def take(
    conn: Connection, taken: Claim, after: int, count: int, *, upto: int | None = None, raw: bool = False
) -> list[Message]:
    """At most `count` messages after a position, in order, not beyond `upto` (default: the claim's own end). `raw`: not decoded yet."""
    end = upto if upto is not None else taken.upto
    with conn.cursor(binary=True) as cursor:
        rows = cursor.execute(
            _NEXT_RAW if raw else _NEXT, (taken.stream, taken.lane, after, end if end is not None else 2**62, count)
        ).fetchall()
    start = prefix(taken.salt, taken.stream, taken.lane)
    if raw:
        new = tuple.__new__
        return [
            new(Message, (position, key, payload, correlation or "", previous))
            for position, key, correlation, payload, previous in rows
        ]
    documents = _documents.decode(b"[" + b",".join([row[3] for row in rows]) + b"]") if rows else []
    return [
        Message(position, key, document, correlation or f"{start}{position:010x}")
        for (position, key, correlation, _), document in zip(rows, documents, strict=True)
    ]


def decoded(messages: Sequence[Message]) -> list[Message]:
    """Messages that were taken raw, with their documents."""
    documents = _documents.decode(b"[" + b",".join([message.document for message in messages]) + b"]")
    return [message._replace(document=document) for message, document in zip(messages, documents, strict=True)]


def parked_keys(conn: Connection, taken: Claim, messages: Sequence[Message]) -> set[str]:
    """Keys among these messages that have a parked message before them."""
    row = conn.execute(
        "select exists (select from runtime_parked where subscription_id = %s)", (taken.subscription,)
    ).fetchone()
    if not row or not row[0] or not messages:
        return set()
    found = conn.execute(
        "select distinct key from runtime_parked where subscription_id = %s and key = any(%s) and position < %s",
        (taken.subscription, list({message.key for message in messages}), messages[0].position),
    )
    return {key for (key,) in found.fetchall()}
