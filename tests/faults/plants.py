"""Known bugs, put in from outside: a campaign that does not find each of them proves nothing.

`SIMULATED` gives, per plant, the attributes of the ledger that are replaced while a simulated world runs; plants that
live inside a statement are switched in the model (`sim_append.py`, `sim_claims.py`, `sim_quarantine.py`), and those of
the client of a vendor in `sim_vendor_server.py`, by the same name.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import runtime.ledger.append as append_module
from runtime.connectors import answer_rules, outcomes
from runtime.domain import degraded
from runtime.ledger import claims, connections, database_target, quarantine, replay_order, send_batch, vendor_target
from runtime.ledger.claims import step
from runtime.worker.source_reader import SourceReader
from tests.faults.database_plants import DATABASE_PLANTS
from tests.faults.plant_names import IN_REWOUND, WHAT, WITHOUT_TRIGGERS


def _no_ask(self: send_batch.SendBatch, items: list[Any]) -> list[Any]:
    return items


def _never_forgotten(self: send_batch.SendBatch) -> bool:
    return self.idempotency in ("K", "N")


def _settled_at_once(self: send_batch.SendBatch, asked_at: float) -> bool:
    return True


_settled = send_batch.SendBatch.settled


def _settled_by_key(self: send_batch.SendBatch, asked_at: float) -> bool:
    return self.idempotency in "KN" or _settled(self, asked_at)


def _no_one_waits(messages: Any, waiting: set[str]) -> tuple[list[Any], list[Any]]:
    return list(messages), []


def _outside(
    conn: Any, taken: Any, table: Any, mapper: Any, messages: Any, entries: Any, *, last: bool = False
) -> None:
    """`database_target._apply` with the step committed before the effect."""
    go, waiting = quarantine.split_blocked(
        messages, database_target.quarantined_keys(conn, taken, messages) | {entry.key for entry in entries}
    )
    waiting = [m for m in waiting if m.position not in {entry.position for entry in entries}]
    mapped, refused, _ = mapper.many(go)
    rows = {message.key: (message.position, values) for message, values in mapped}
    step(
        conn,
        taken,
        messages[-1].position,
        evidence=database_target.DeliveryEvidence(messages[0].position, messages[-1].position, "applied", len(rows)),
    )
    database_target.hit("database.after_step")
    with conn.transaction():
        database_target.upsert(conn, table, list(rows.values()))
        quarantine.quarantine(conn, taken, [*entries, *refused, *quarantine.blocked_by_earlier(waiting)])
        if last:
            database_target.release(conn, taken)


def _lock_like_a_sequence(
    conn: Any, reader: Any, stream: Any, by_lane: dict[int, Any], items: Any, source: Any, *_: Any
) -> Any:
    """`append._lock` with numbers taken and committed on another connection, as `nextval` does."""
    counters, places = {}, {}
    with connections.connected(name="plant") as other:
        for lane in sorted(by_lane):
            row = other.execute(
                "update runtime_lane set next = next + %s where stream_id = %s and lane = %s returning next - %s",
                (len(by_lane[lane]), stream.id, lane, len(by_lane[lane])),
            ).fetchone()
            assert row
            counters[lane] = row[0]
    if source is not None:
        given = (source.cursor, source.lease_seconds, source.id, source.token)
        if conn.execute(append_module._MOVE_SOURCE, given).rowcount != 1:
            raise append_module.Fenced("another poller has the source")
    reader.execute(
        "select key, hash, version, position, ctid::text from runtime_head where stream_id = %s and key = any(%s)",
        (stream.id, list({item.key for item in items})),
    )
    rows = reader.fetchall()
    if len(items) >= append_module.BULK:
        places = {row[0]: row[4] for row in rows}
    return counters, {row[0]: row[1:4] for row in rows}, places


_key = vendor_target.idempotency_key
_tries = itertools.count(1)


def _another_key(*given: Any, **more: Any) -> str:
    return f"{_key(*given, **more)}-{next(_tries)}-{os.getpid()}"


def _past_rejects(self: SourceReader) -> None:
    self.state.cursor = self.at


_in_doubt = vendor_target._in_doubt
LONG_AGO = 86_400.0


def _at_once(taken: Any, batch: Any, made_by: int) -> Any:
    settled = _in_doubt(taken, batch, made_by)
    for entry in settled.entries:
        entry.delay, entry.last_sent = 0.0, taken.first_sent - LONG_AGO
    return settled


_quarantine = vendor_target.quarantine


def _nothing_of_a_replay(conn: Any, taken: Any, entries: Any) -> None:
    if not taken.is_replay:
        _quarantine(conn, taken, entries)


def _never_needed(taken: Any) -> bool:
    return False


_insert = append_module.Plan.insert


def _insert_without_counters(self: Any, conn: Any, heads: Any) -> None:
    self.counters = []
    _insert(self, conn, heads)


SIMULATED: dict[str, list[tuple[Any, str, Any]]] = {
    "token": [],
    "outside": [(database_target, "_apply", _outside)],
    "sequence": [],
    "early": [],
    "gate": [],
    "noask": [(send_batch.SendBatch, "_ask", _no_ask)],
    "overtake": [(vendor_target, "split_blocked", _no_one_waits), (database_target, "split_blocked", _no_one_waits)],
    "intent": [],
    "trusting": [],
    "shrug": [],
    "forgetful": [
        (send_batch.SendBatch, "key_holds", _never_forgotten),
        (send_batch.SendBatch, "key_is_known", _never_forgotten),
    ],
    "rekeyed": [],
    "own_keys": [],
    "past_failed": [(vendor_target, "quarantine", _nothing_of_a_replay)],
    "side_by_side": [],
    "undoes": [],
    "unwaiting": [(replay_order, "is_needed", _never_needed)],
    "wet": [],
    "short_pause": [],
    "unnoticed": [],
    "nosettle": [(send_batch.SendBatch, "settled", _settled_at_once)],
    "hurried": [(send_batch.SendBatch, "settled", _settled_by_key)],
    "hasty": [(vendor_target, "_in_doubt", _at_once)],
    "unwoken": [],
    "overslept": [],
    "leaving": [],
    "hindsight": [],
    "unbounded": [],
    "queue": [],
    "rehashed": [],
    "rejects": [(SourceReader, "_place", _past_rejects)],
    "clock_history": [],
    "clock_first": [],
    "clock_sent": [],
    "clock_since": [],
    "new_key": [(vendor_target, "idempotency_key", _another_key)],
}


# -- the same in a real process ----------------------------------------------------------------------------------------

_STATEMENTS: dict[str, list[tuple[Any, str, str, str]]] = {
    "token": [
        (claims, "_STEP", "and p.token = %(token)s\n", ""),
        (claims, "_RELEASE", "and token = %s", "and (token = %s or true)"),
    ],
    "gate": [
        (
            claims,
            "_STEP",
            "with g as (\n    select\n        (\n            exists (",
            "with g as (\n    select\n        (\n            true or exists (",
        )
    ],
    "intent": [
        (claims, "_STEP", f"intent = case when {claims.MAY_GO} then %(intent)s::bigint end", "intent = null::bigint")
    ],
}


def _trusted(self: Any, answer: Any, code: str, shown: str) -> answer_rules.AnswerMeaning:
    return answer_rules.AnswerMeaning("confirmed", None, code)


_operating_state = degraded.operating_state


def _by_queue_alone(*, source: degraded.SourceLook, at: Any, **more: Any) -> degraded.OperatingState:
    return _operating_state(source=degraded.SourceLook(at), at=at, **more)


PROCESSES: dict[str, list[tuple[Any, str, Any]]] = {
    "queue": [(degraded, "operating_state", _by_queue_alone)],
    "trusting": [(answer_rules.AnswerReader, "_proof", _trusted)],
    "shrug": [(outcomes, "_BY_STATUS", outcomes._BY_STATUS | {503: outcomes._BY_STATUS[429]})],
    "sequence": [
        (append_module, "_lock", _lock_like_a_sequence),
        (append_module.Plan, "insert", _insert_without_counters),
    ],
    **DATABASE_PLANTS,
}


def _places(name: str) -> list[tuple[Any, str, Any]]:
    return [*SIMULATED.get(name, []), *PROCESSES.get(name, []), *changed(name)]


def put_in(name: str) -> None:
    """Put one known bug into this process. `early` is the till's own (see `runner.py`)."""
    for module, attribute, value in _places(name):
        setattr(module, attribute, value)


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The same for the length of the block."""
    before = [(module, attribute, getattr(module, attribute)) for module, attribute, _ in _places(name)]
    put_in(name)
    try:
        yield
    finally:
        for module, attribute, value in before:
            setattr(module, attribute, value)


def changed(name: str) -> list[tuple[Any, str, str]]:
    """The statements of a plant as they would be. Raises AssertionError where one does not fit the product's text any
    more."""
    made = []
    for module, attribute, old, new in _STATEMENTS.get(name, []):
        text = getattr(module, attribute)
        if old not in text:
            raise AssertionError(f"the plant {name} does not fit {module.__name__}.{attribute} any more")
        made.append((module, attribute, text.replace(old, new)))
    return made


__all__ = ["IN_REWOUND", "PROCESSES", "SIMULATED", "WHAT", "WITHOUT_TRIGGERS", "changed", "planted", "put_in"]
