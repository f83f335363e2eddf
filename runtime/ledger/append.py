"""Append to the log: deduplicate by head, assign positions under the lane's lock, move the source cursor, all in one
commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.errors import LockNotAvailable

from runtime.domain import retention
from runtime.domain.correlation import lanes_of
from runtime.ledger import conflicts
from runtime.ledger.append_plan import BY_PLACE, SEPARATOR, Plan
from runtime.ledger.appended import (
    BULK,
    CONFLICT,
    OLDER,
    TOO_OLD,
    UNCHANGED,
    Appended,
    Fenced,
    Finer,
    Head,
    IncomingMessage,
    SourceMove,
    incoming_messages,
)
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.known_content import Compared, HeldContent
from runtime.ledger.lane_locks import (
    LOCK_LANES,
    LOCK_WAIT,
    MOST_TRIES,
    SOON,
    LanesBusy,
    LanesHeld,
    held_lanes,
    usual_wait,
    wait_for,
)
from runtime.ledger.streams import ChangedMeanwhile, LanesChanged, StillSo, StreamRef, counters_of

_READ_HEADS = """
select key, hash, version, position
from runtime_head
where stream_id = %s and key = any(string_to_array(%s, chr(31)))"""
_READ_HEADS_WITH_PLACE = _READ_HEADS.replace("position\n", "position, ctid::text\n", 1)
_MOVE_SOURCE = """
update runtime_source
set cursor = %s::jsonb, lease_until = clock_timestamp() + make_interval(secs => %s)
where id = %s and token = %s"""
_COUNT_RUN = """
update runtime_run
set read = read + %s,
    accepted = accepted + %s,
    unchanged = unchanged + %s,
    older = older + %s,
    conflicts = conflicts + %s,
    conflicts_again = conflicts_again + %s,
    beat_at = clock_timestamp()
where id = %s"""
__all__ = (
    "BULK",
    "BY_PLACE",
    "CONFLICT",
    "OLDER",
    "TOO_OLD",
    "UNCHANGED",
    "Appended",
    "Fenced",
    "Finer",
    "IncomingMessage",
    "SourceMove",
    "append",
    "incoming_messages",
)


def append(
    conn: Connection,
    stream: StreamRef,
    items: Sequence[IncomingMessage],
    *,
    release_id: int | None = None,
    run_id: int | None = None,
    source: SourceMove | None = None,
    ordered: bool = True,
    tell_held: bool = False,
    inspect: Callable[[list[bytes]], None] | None = None,
    compared: Compared | None = None,
    finer: Finer | None = None,
    patient: bool = True,
    still: StillSo | None = None,
) -> Appended:
    """Append items in source order. Safe for any number of writers at once; may run inside an open transaction.

    An item whose content equals its key's head is `unchanged` and writes nothing: the bytes are compared by hash, and
    only where they differ the values (`domain.same_value`). An older version is dropped, unless `ordered` is False:
    then the order of arrival counts. Where messages are immutable, other content under a known key becomes a conflict
    case, and one whose business date lies before what is known of them is too old to be told from one that was there.
    `inspect` is shown the payloads that would be stored, before they are, and may raise. With `source` its cursor
    moves in the same commit; raises Fenced when another poller has the source. With `compared`, which may be empty,
    ManyDoubtful is raised instead of comparing many items under the locks. `finer` orders states of one version.
    While others hold one of the lanes, none is locked; who is not `patient` gets LanesHeld at once.
    Raises ChangedMeanwhile where something is not `still` so.
    """
    more, tries = _Given(release_id, run_id, source, ordered, tell_held, inspect, compared, finer, still), 0
    while True:
        try:
            return _append(conn, stream, items, more, SOON if tries < MOST_TRIES else None)
        except LanesChanged:
            stream.load_again(conn)
        except LanesBusy:
            tries += 1
            held = held_lanes(conn, stream.id, set(lanes_of([item[0] for item in items], stream.lanes)))
            if not patient:
                raise LanesHeld(stream.id, held) from None
            wait_for(conn, stream.id, held)


class _Given(NamedTuple):
    release_id: int | None
    run_id: int | None
    source: SourceMove | None
    ordered: bool
    tell_held: bool
    inspect: Callable[[list[bytes]], None] | None
    compared: Compared | None
    finer: Finer | None
    still: StillSo | None


def _append(
    conn: Connection, stream: StreamRef, items: Sequence[IncomingMessage], given: _Given, within: str | None
) -> Appended:
    release_id, run_id, source, ordered, tell_held, inspect, compared, finer, still = given
    by_lane: dict[int, list[int]] = {}
    for index, lane in enumerate(lanes_of([item[0] for item in items], stream.lanes)):
        by_lane.setdefault(lane, []).append(index)
    done = Appended(positions=[UNCHANGED] * len(items), held={} if tell_held else None)
    payloads = [item[2] for item in items]
    hashes = stream.hashes_of(payloads)
    with conn.short_transaction(), conn.cursor(binary=True) as reader:
        counters, heads, places = _lock(conn, reader, stream, by_lane, items, source, still, within)
        held = HeldContent(reader, stream, items, hashes, heads, stream.immutable or not ordered, compared)
        plan = Plan(stream, release_id, run_id, places, held, ordered, finer)
        if stream.known_since is not None:
            plan.too_old = retention.too_old(payloads, stream.known_since)
        for lane in sorted(by_lane):
            plan.lane(lane, counters[lane], items, hashes, by_lane[lane], heads, done)
        if inspect is not None and (plan.rows or plan.conflicts):
            inspect(payloads if len(plan.rows) == len(items) else plan.payloads())
        hit("append.before_write")
        heads = plan.copy(conn)
        if plan.conflicts:
            done.conflicts_again = done.conflicts - conflicts.record(conn, stream.id, plan.conflicts)
        with conn.committing_pipeline():
            plan.insert(conn, heads)
            if run_id is not None:
                _count(conn, run_id, len(items), done)
            hit("append.before_commit")
    hit("append.after_commit")
    return done


def _lock(
    conn: Connection,
    reader: psycopg.Cursor[Any],
    stream: StreamRef,
    by_lane: dict[int, Any],
    items: Sequence[IncomingMessage],
    source: SourceMove | None,
    still: StillSo | None,
    within: str | None,
) -> tuple[dict[int, int], dict[str, Head], dict[str, str]]:
    """Show the token, lock the lanes in order (from here nobody else adds to these keys), read the heads and, of many,
    where they stand. Raises LanesBusy where a lane is not free `within` that time."""
    many = len(items) >= BULK
    moved = asked = None
    counters: psycopg.Cursor[Any] | None = None
    try:
        with conn.pipeline():
            if still is not None:
                asked = conn.execute(still.select, still.parameters)
            if source is not None:
                moved = conn.execute(_MOVE_SOURCE, (source.cursor, source.lease_seconds, source.id, source.token))
            if within:
                conn.execute(LOCK_WAIT, (within,))
            counters = conn.execute(LOCK_LANES, (stream.id, sorted(by_lane)))
            if within:
                conn.execute(LOCK_WAIT, (usual_wait(conn),))
            keys = SEPARATOR.join({item.key for item in items})
            reader.execute(_READ_HEADS_WITH_PLACE if many else _READ_HEADS, (stream.id, keys))
    except LockNotAvailable as error:
        before = [one for one in (asked, moved) if one is not None]
        if any(one.rowcount < 0 for one in before):
            raise  # nobody has come to the lanes: somebody holds another table
        if within is None or (counters is not None and counters.rowcount >= 0):
            raise  # the lanes were free: somebody holds a whole table
        raise LanesBusy from error
    if moved is not None and moved.rowcount != 1:
        raise Fenced("another poller has the source")
    if still is not None and (asked is None or asked.fetchone() != still.row):
        raise ChangedMeanwhile
    rows = reader.fetchall()
    assert counters is not None
    return (
        counters_of(stream, counters.fetchall()),
        {row[0]: row[1:4] for row in rows},
        {row[0]: row[4] for row in rows} if many else {},
    )


def _count(conn: Connection, run_id: int, read: int, done: Appended) -> None:
    new = done.conflicts - done.conflicts_again
    conn.execute(_COUNT_RUN, (read, done.accepted, done.unchanged, done.older, new, done.conflicts_again, run_id))
    for lane, first, last in done.spans:
        conn.execute(
            "insert into runtime_runspan (run_id, lane, first, last) values (%s, %s, %s, %s)",
            (run_id, lane, first, last),
        )
