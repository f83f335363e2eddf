"""Append to the log: deduplicate by head, assign positions under the lane's lock, move the source cursor, all in one
commit."""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg.errors import LockNotAvailable

from runtime.domain import erased, retention, same_value
from runtime.domain.correlation import lanes_of
from runtime.domain.versions import AtLeast
from runtime.ledger import conflicts, sql
from runtime.ledger.connections import Connection
from runtime.ledger.copied_rows import copied_heads, copied_messages
from runtime.ledger.faultpoints import hit
from runtime.ledger.known_content import Compared, HeldContent, Place
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

_PUT_HEADS, _UPDATE_HEADS = sql.read("put_heads"), sql.read("update_heads")
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
_SEPARATOR = (
    "\x1f"  # a list as one text: cheaper to send than an array of thousands; keys never hold it (see IncomingMessage)
)
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
_Head = tuple[int, int, int]  # content hash, version, position of a key's last message


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
        plan = _Plan(stream, release_id, run_id, places, held, ordered, finer)
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
) -> tuple[dict[int, int], dict[str, _Head], dict[str, str]]:
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
            keys = _SEPARATOR.join({item.key for item in items})
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


class _Plan:
    """What one append will write, worked out in memory while the lanes are locked."""

    def __init__(
        self,
        stream: StreamRef,
        release_id: int | None,
        run_id: int | None,
        places: dict[str, str],
        held: HeldContent,
        ordered: bool,
        finer: Finer | None,
    ) -> None:
        self.finer = finer
        self.stream, self.release_id, self.run_id, self.places = stream, release_id, run_id, places
        self.held, self.ordered = held, ordered
        self.too_old: frozenset[int] = frozenset()  # indexes of items
        self.fresh: dict[str, _Head] = {}
        self.changed: dict[str, _Head] = {}
        self.rows: list[tuple[int, int, int, IncomingMessage]] = []  # lane, position, previous, item
        self.counters: list[tuple[int, int, int]] = []
        self.conflicts: list[tuple[str, int, int, bytes]] = []

    def lane(
        self,
        lane: int,
        following: int,
        items: Sequence[IncomingMessage],
        hashes: Sequence[int],
        indexes: list[int],
        heads: dict[str, _Head],
        done: Appended,
    ) -> None:
        """`heads` goes on with what this adds, so that a key that comes twice finds its own first message."""
        position, immutable, ordered, held = following, self.stream.immutable, self.ordered, done.held
        by_content = immutable or not ordered
        fresh, changed, rows, positions = self.fresh, self.changed, self.rows, done.positions
        too_old = self.too_old
        first_row = len(rows) - following  # the rows of a lane stand together, in the order of positions
        for index in indexes:
            item, content = items[index], hashes[index]
            key, version = item[0], item[1]
            seen = heads.get(key)
            if seen is None:
                if index in too_old:
                    positions[index] = TOO_OLD
                    done.too_old += 1
                    continue
                heads[key] = fresh[key] = (content, version, position)
                rows.append((lane, position, 0, item))
            else:
                arrives = version.__class__ is AtLeast
                same_order = by_content or arrives or version == seen[1]
                if seen[0] == content or (same_order and self._same(first_row, key, seen[2], item[2], content)):
                    done.unchanged += 1
                    if held is not None:
                        held[index] = seen[2]
                    continue
                if immutable:
                    self.conflicts.append(
                        (key, seen[2], *self._by_value(content, item[2], (self.stream.lane_at(key, seen[2]), seen[2])))
                    )
                    positions[index] = CONFLICT
                    done.conflicts += 1
                    continue
                if arrives:
                    version = max(int(version), seen[1])
                    item = item._replace(version=version)
                elif version < seen[1] or (version and same_order and self._earlier(first_row, key, seen[2], item[2])):
                    if ordered:
                        positions[index] = OLDER
                        done.older += 1
                        continue
                    version = seen[1]
                heads[key] = (fresh if key in fresh else changed)[key] = (content, version, position)
                rows.append((lane, position, seen[2], item))
            positions[index] = (lane, position)
            position += 1
        if position != following:
            self.counters.append((position, self.stream.id, lane))
            done.spans.append((lane, following, position - 1))
            done.accepted += position - following

    def _same(self, first_row: int, key: str, position: int, payload: bytes, content: int) -> bool:
        """Whether the message at that position, stored or of this append, is the same value."""
        place = self.stream.lane_at(key, position), position
        if (known := self.held.compared.get((content, place))) is not None:
            return known[0]
        stored = self._held(first_row, place)
        if stored is not None and erased.is_erased(stored):
            return erased.is_same(stored, payload, self.stream.hashes_of)
        return stored is not None and same_value.same(stored, payload)

    def _held(self, first_row: int, place: Place) -> bytes | None:
        if (stored := self.held.payload(place)) is not None:
            return stored
        row = first_row + place[1]
        return self.rows[row][3].payload if 0 <= row < len(self.rows) else None

    def _earlier(self, first_row: int, key: str, position: int, payload: bytes) -> bool:
        """Whether a state is older than the message at that position, which has the same version."""
        if self.finer is None or not self.ordered:
            return False
        stored = self._held(first_row, (self.stream.lane_at(key, position), position))
        return stored is not None and self.finer(payload) < self.finer(stored)

    def _by_value(self, content: int, payload: bytes, place: Place) -> tuple[int, bytes]:
        """A conflict that comes in several spellings is one case."""
        stored = self.held.payload(place)
        kept = payload if stored is None or not erased.is_erased(stored) else erased.ERASED  # not stored again
        known = self.held.compared.get((content, place))
        canonical = same_value.canonical(payload) if known is None else known[1]
        return (content if canonical is None else self.stream.hashes_of((canonical,))[0]), kept

    def payloads(self) -> list[bytes]:
        """All that would be stored, conflicts among it."""
        return [item[2] for _, _, _, item in self.rows] + [payload for _, _, _, payload in self.conflicts]

    def copy(self, conn: Connection) -> dict[str, _Head]:
        """Write what is many, and answer the heads that are left to write."""
        if len(self.rows) >= BULK:
            self._copy_messages(conn)
        heads: dict[str, _Head] = {}
        if len(self.fresh) >= BULK:
            self._copy_heads(conn)
        else:
            heads |= self.fresh
        if len(self.changed) < BULK or not self._update_heads(conn):
            heads |= self.changed
        return heads

    def insert(self, conn: Connection, heads: dict[str, _Head]) -> None:
        """Write the rest, in a pipeline."""
        for counter in self.counters:
            conn.execute("update runtime_lane set next = %s where stream_id = %s and lane = %s", counter)
        if 0 < len(self.rows) < BULK:
            self._insert_messages(conn)
        if heads:
            conn.execute(_PUT_HEADS, (self.stream.id, _SEPARATOR.join(heads), *_columns(heads)))

    def _copy_messages(self, conn: Connection) -> None:
        """One write in binary format. The time is the database's own, asked for under the lock: a default that is
        worked out row by row would keep COPY from writing page by page."""
        now = conn.execute(_NOW).fetchone()
        assert now is not None
        made = copied_messages(self.stream.id, self.release_id, self.run_id, now[0], self.rows)
        with conn.cursor() as writer, writer.copy(_COPY_MESSAGES) as copy:
            copy.write(made)

    def _copy_heads(self, conn: Connection) -> None:
        """New keys cannot collide: their lane is locked."""
        made = copied_heads(self.stream.id, self.fresh)
        with conn.cursor() as writer, writer.copy(_COPY_HEADS) as copy:
            copy.write(made)

    def _update_heads(self, conn: Connection) -> bool:
        """Changed heads stand where they were read a moment ago, for their lanes are locked: no index is asked again.
        False where one does not."""
        places = '{"' + '","'.join([self.places[key] for key in self.changed]) + '"}'
        with conn.pipeline():
            conn.execute(BY_PLACE)
            done = conn.execute(_UPDATE_HEADS, (places, *_columns(self.changed), self.stream.id))
        return done.rowcount == len(self.changed)

    def _insert_messages(self, conn: Connection) -> None:
        rows = [
            (
                self.stream.id,
                lane,
                position,
                item.key,
                item.version,
                previous,
                self.release_id,
                self.run_id,
                item.correlation,
                item.causation,
                item.traceparent,
                item.payload.decode(),
            )
            for lane, position, previous, item in self.rows
        ]
        values = ",".join(["(%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"] * len(rows))
        conn.execute(
            f"insert into runtime_message ({_COLUMNS}) values {values}",
            [cell for row in rows for cell in row],
            prepare=len(rows) == 1,
        )


_COLUMNS = (
    "stream_id, lane, position, key, version, previous, "
    "release_id, run_id, correlation, causation, traceparent, payload"
)


# A table that grows has old statistics: to the end of the transaction rows are found by place or key, never by reading
# the whole table.
BY_PLACE = """
select
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)"""
# microseconds since 2000, as COPY has them
_NOW = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint - 946684800000000"
_COPY_MESSAGES = """
copy runtime_message (
    stream_id, lane, position, key, version, previous, received_at,
    release_id, run_id, correlation, causation, traceparent, payload
) from stdin (format binary)"""
_COPY_HEADS = "copy runtime_head (stream_id, key, hash, version, position) from stdin (format binary)"


def _columns(heads: dict[str, _Head]) -> Iterator[str]:
    """Hashes, versions and positions, each as one array."""
    return ("{" + ",".join([str(head[i]) for head in heads.values()]) + "}" for i in range(3))


def _count(conn: Connection, run_id: int, read: int, done: Appended) -> None:
    new = done.conflicts - done.conflicts_again
    conn.execute(_COUNT_RUN, (read, done.accepted, done.unchanged, done.older, new, done.conflicts_again, run_id))
    for lane, first, last in done.spans:
        conn.execute(
            "insert into runtime_runspan (run_id, lane, first, last) values (%s, %s, %s, %s)",
            (run_id, lane, first, last),
        )
