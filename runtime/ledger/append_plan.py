"""What one append writes, worked out in memory while its lanes are locked, and written by as few statements as there
can be."""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runtime.domain import erased, same_value
from runtime.domain.versions import AtLeast
from runtime.ledger import sql
from runtime.ledger.appended import BULK, CONFLICT, OLDER, TOO_OLD, Appended, Finer, Head, IncomingMessage
from runtime.ledger.connections import Connection
from runtime.ledger.copied_rows import copied_heads, copied_messages
from runtime.ledger.known_content import HeldContent, Place
from runtime.ledger.streams import StreamRef

_PUT_HEADS, _UPDATE_HEADS = sql.read("put_heads"), sql.read("update_heads")
_COUNT_UP = """
update runtime_lane l
set next = c.next
from unnest(%s::smallint[], %s::bigint[]) c (lane, next)
where l.stream_id = %s
    and l.lane = c.lane"""
_COLUMNS = (
    "stream_id, lane, position, key, version, previous, "
    "release_id, run_id, correlation, causation, traceparent, payload"
)


# microseconds since 2000, as COPY has them
_NOW = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint - 946684800000000"
_COPY_MESSAGES = """
copy runtime_message (
    stream_id, lane, position, key, version, previous, received_at,
    release_id, run_id, correlation, causation, traceparent, payload
) from stdin (format binary)"""
_COPY_HEADS = "copy runtime_head (stream_id, key, hash, version, position) from stdin (format binary)"
# A table that grows has old statistics: to the end of the transaction rows are found by place or key, never by reading
# the whole table.
BY_PLACE = """
select
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)"""
SEPARATOR = (
    "\x1f"  # a list as one text: cheaper to send than an array of thousands; keys never hold it (see IncomingMessage)
)


class Plan:
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
        self.fresh: dict[str, Head] = {}
        self.changed: dict[str, Head] = {}
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
        heads: dict[str, Head],
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

    def copy(self, conn: Connection) -> dict[str, Head]:
        """Write what is many, and answer the heads that are left to write."""
        if len(self.rows) >= BULK:
            self._copy_messages(conn)
        heads: dict[str, Head] = {}
        if len(self.fresh) >= BULK:
            self._copy_heads(conn)
        else:
            heads |= self.fresh
        if len(self.changed) < BULK or not self._update_heads(conn):
            heads |= self.changed
        return heads

    def insert(self, conn: Connection, heads: dict[str, Head]) -> None:
        """Write the rest, in a pipeline."""
        if len(self.counters) == 1:
            conn.execute("update runtime_lane set next = %s where stream_id = %s and lane = %s", self.counters[0])
        elif self.counters:
            following, _, lanes = zip(*self.counters, strict=True)
            conn.execute(_COUNT_UP, (_array(lanes), _array(following), self.stream.id))
        if 0 < len(self.rows) < BULK:
            self._insert_messages(conn)
        if heads:
            conn.execute(_PUT_HEADS, (self.stream.id, SEPARATOR.join(heads), *_columns(heads)))

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


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _columns(heads: dict[str, Head]) -> Iterator[str]:
    """Hashes, versions and positions, each as one array."""
    return ("{" + ",".join([str(head[i]) for head in heads.values()]) + "}" for i in range(3))
