"""What the statements of append, and of whoever reads a source, do to the modelled database."""

from __future__ import annotations

import re
from typing import Any

from psycopg import errors

from runtime.ledger import append, append_plan, conflicts, known_content, lane_locks
from tests.faults.sim_database import Database, Transaction, statement


@statement(append._MOVE_SOURCE)
def _move_source(db: Database, tx: Transaction, given: Any) -> int:
    cursor, lease, source, token = given
    row = db.change(tx, "source", (source,))
    if row is None or (row["token"] != token and "token" not in db.plants):
        return 0
    row["cursor"], row["lease_until"] = cursor, db.now() + lease
    return 1


@statement(re.escape(lane_locks.LOCK_WAIT) + "$")
def _lock_wait(db: Database, tx: Transaction, given: Any) -> int:
    return 1


@statement(lane_locks.LOCK_LANES)
def _lock_lanes(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lanes = given
    found = []
    for lane in sorted(lanes):
        if "sequence" in db.plants:  # like nextval: no lock, and nobody gets the same number
            counter = db.rows["lane"][stream, lane]
            found.append((lane, counter["next"], 0))
            db.rows["lane"][stream, lane] = {"next": counter["next"] + tx.actor.reserve}
            continue
        db.lock(tx, "lane", (stream, lane))
        row = db.get(tx, "lane", (stream, lane))
        if row is not None:
            found.append((lane, row["next"], row.get("lanes", 0)))
    return found


@statement(append._READ_HEADS)
def _read_heads(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, keys = given
    heads = ((key, db.get(tx, "head", (stream, key))) for key in keys.split("\x1f"))
    return [(key, h["hash"], h["version"], h["position"]) for key, h in heads if h]


@statement(known_content.HELD_PAYLOADS)
def _read_payloads(db: Database, tx: Transaction, given: Any) -> list[Any]:
    lanes, positions, stream = given
    found = ((at, db.get(tx, "message", (stream, *at))) for at in zip(lanes, positions, strict=True))
    return [(*at, row["payload"]) for at, row in found if row]


@statement(r"update runtime_lane set next = %s where stream_id = %s and lane = %s$")
def _count_up(db: Database, tx: Transaction, given: Any) -> int:
    following, stream, lane = given
    if "sequence" in db.plants:
        return 1
    row = db.change(tx, "lane", (stream, lane))
    if row is None:
        return 0
    row["next"] = following
    return 1


@statement(append_plan._COUNT_UP)
def _count_up_many(db: Database, tx: Transaction, given: Any) -> int:
    lanes, following, stream = given
    pairs = zip(lanes.strip("{}").split(","), following.strip("{}").split(","), strict=True)
    return sum(_count_up(db, tx, (int(after), stream, int(lane))) for lane, after in pairs)


@statement(
    r"insert into runtime_message \(stream_id, lane, position, key, version, previous, release_id, run_id, "
    r"correlation, causation, traceparent, payload\) "
    r"values "
)
def _insert_messages(db: Database, tx: Transaction, cells: Any) -> int:
    for start in range(0, len(cells), 12):
        stream, lane, position, key, version, previous, release, _run, correlation, _causation, _trace, payload = cells[
            start : start + 12
        ]
        if db.get(tx, "message", (stream, lane, position)) is not None:
            raise errors.UniqueViolation("duplicate position")
        db.put(
            tx,
            "message",
            (stream, lane, position),
            {
                "key": key,
                "version": version,
                "previous": previous,
                "release": release,
                "correlation": correlation,
                "received_at": db.now(),
                "payload": payload.encode(),
            },
        )
    return len(cells) // 12


@statement(append_plan._PUT_HEADS)
def _put_heads(db: Database, tx: Transaction, given: Any) -> int:
    stream, joined, *columns = given
    keys = joined.split("\x1f")
    hashes, versions, positions = ([int(value) for value in column[1:-1].split(",")] for column in columns)
    for key, content, version, position in zip(keys, hashes, versions, positions, strict=True):
        db.lock(tx, "head", (stream, key))
        db.put(tx, "head", (stream, key), {"hash": content, "version": version, "position": position})
    return len(keys)


@statement(conflicts.RECORD_CONFLICTS)
def _conflicts(db: Database, tx: Transaction, given: Any) -> list[Any]:
    new = 0
    for name in zip(given["keys"], given["hashes"], strict=True):
        new += db.get(tx, "conflict", (given["stream"], *name)) is None
        db.put(tx, "conflict", (given["stream"], *name), {})
    return [(new,)]
