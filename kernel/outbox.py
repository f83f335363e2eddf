"""The transactional outbox: `emit` inside the transaction of the change, `dispatch` afterwards, at least once.

`portal/wiring.py` registers the handlers. They must be idempotent: a crash after the effect and before the event is
marked as done runs them again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from kernel import measures
from kernel.models import OutboxEvent
from kernel.request import request_id, serving
from kernel.retry import PAUSE_SQL, RetryPolicy

Handler = Callable[[Mapping[str, Any]], None]
_handlers: dict[str, list[Handler]] = {}
log = logging.getLogger(__name__)

LEASE_SECONDS = 60
OUTBOX_RETRY = RetryPolicy(base=1.0, ceiling=3600.0, attempts=12)  # counts from 1
HANDLED = measures.counter(
    "outbox_events", "Events of the outbox by how a try ended: done, again (tried later), failed for good.", ["outcome"]
)


def subscribe(topic: str, handler: Handler) -> None:
    """Call `handler` with `{"id", "topic", "key", "payload"}` for each event; `topic` may end in `*`. Idempotent."""
    chosen = _handlers.setdefault(topic, [])
    if handler not in chosen:
        chosen.append(handler)


def handlers_of(topic: str) -> list[Handler]:
    return [
        h
        for pattern, hs in _handlers.items()
        for h in hs
        if pattern == topic or (pattern.endswith("*") and topic.startswith(pattern[:-1]))
    ]


def emit(topic: str, *, key: str | int, payload: Mapping[str, Any] | None = None) -> OutboxEvent:
    """Write an event in the present transaction. It is lost exactly when the fact is."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("outbox.emit belongs inside the transaction of the fact")
    return OutboxEvent.objects.create(topic=topic, key=str(key), payload=dict(payload or {}), request_id=request_id())


# Materialized: a plan that runs the inner select again for each row would claim more than the limit.
_CLAIM = """
with c as materialized (
  select id
    from kernel_outboxevent
   where done_at is null
     and failed_at is null
     and available_at <= clock_timestamp()
     and (lease_until is null or lease_until < clock_timestamp())
   order by id
   limit %(limit)s
     for update skip locked)
update kernel_outboxevent o
   set attempts = o.attempts + 1,
       lease_until = clock_timestamp() + %(lease)s * interval '1 second'
  from c
 where o.id = c.id
returning o.id, o.topic, o.key, o.payload, o.attempts, o.request_id
"""


_POSTPONE = f"""
update kernel_outboxevent
   set lease_until = null,
       last_error = %(error)s,
       available_at = clock_timestamp() + {PAUSE_SQL.format(count="attempts")} * interval '1 second',
       failed_at = case when attempts >= %(attempts)s then clock_timestamp() end
 where id = %(id)s
"""  # noqa: S608 - the formula is a constant
_SAID = ("id", "topic", "attempts")


def dispatch(*, limit: int = 50, alive: Callable[[], object] = lambda: None) -> int:
    """Claim up to `limit` open events and hand each to its handlers; `alive` is called before each one. Returns how
    many were claimed.

    A failing handler leaves the event open with growing delay, by the policy `OUTBOX_RETRY`, and all its handlers run
    again then; after its last attempt the event is kept as failed for a person.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"lease": LEASE_SECONDS, "limit": limit})
        columns = [c.name for c in cursor.description or ()]
        claimed: Sequence[dict[str, Any]] = sorted(
            (dict(zip(columns, row, strict=True)) for row in cursor.fetchall()), key=lambda e: e["id"]
        )
    for event in claimed:
        alive()
        with serving(event["request_id"] or None):
            _deliver(event)
    return len(claimed)


def _deliver(event: dict[str, Any]) -> None:
    payload = event["payload"]
    if isinstance(payload, str | bytes):
        payload = json.loads(payload)
    told = {"id": event["id"], "topic": event["topic"], "key": event["key"], "payload": payload}
    failures = [error for handler in handlers_of(event["topic"]) if (error := _failure(handler, told)) is not None]
    if failures:
        for error in failures:
            log.warning("outbox event %s (%s) failed at attempt %s: %r", *(event[k] for k in _SAID), error)
        _postpone(event, failures[0])
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "update kernel_outboxevent set done_at = clock_timestamp(), lease_until = null where id = %s", [event["id"]]
        )
    HANDLED.labels("done").inc()


def _failure(handler: Handler, event: Mapping[str, Any]) -> Exception | None:
    """What a handler failed with: it keeps the event open, and no other handler from it."""
    try:
        handler(event)
    except Exception as error:  # a handler may fail in any way; the event outlives it
        return error
    return None


def _postpone(event: Mapping[str, Any], error: Exception) -> None:
    with connection.cursor() as cursor:
        said = f"{type(error).__name__}: {error}"[:2000]
        cursor.execute(
            _POSTPONE, OUTBOX_RETRY.parameters() | {"error": said, "attempts": OUTBOX_RETRY.attempts, "id": event["id"]}
        )
    HANDLED.labels("failed" if OUTBOX_RETRY.exhausted(event["attempts"]) else "again").inc()
