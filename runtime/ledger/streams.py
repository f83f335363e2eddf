"""What writers know of a stream, the number of whose lanes may have changed since it was read."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString, NamedTuple

from runtime.domain.correlation import lane_of
from runtime.ledger.connections import Connection

CHANGES_OF_LANES = (
    "(select array_agg(array[c.first, c.before] order by c.id) from runtime_lanechange c where c.stream_id = {}.id)"
)
_STREAM = f"""
select t.id, t.lanes, t.salt, t.immutable, case when t.immutable then runtime_known_since(t.integration_id, t.id) end,
    {CHANGES_OF_LANES.format("t")}
from runtime_stream t
where t.id = %s"""  # noqa: S608 - constants


class LanesChanged(Exception):
    """The stream has another number of lanes than the writer has read: nothing was written."""


class ChangedMeanwhile(Exception):
    """What the caller took for known is not so any more: nothing was written."""


class StillSo(NamedTuple):
    """What the caller knows from before. The select that told it is asked again in the same round trip as the locks,
    and has to answer the same row."""

    select: LiteralString
    parameters: Sequence[Any]
    row: tuple[Any, ...]


@dataclass(slots=True)
class StreamRef:
    """What an append must know of its stream. Its salt makes content hashes unguessable from outside. `known_since`:
    facts of an earlier business date may have been forgotten by now (`domain.retention`). `changes`: a pair for each
    change of the number of lanes, the first position after it and the number before it."""

    id: int
    lanes: int
    salt: int
    immutable: bool
    known_since: date | None = None
    changes: Sequence[Sequence[int]] | None = None
    _keyed: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._keyed = hashlib.blake2b(digest_size=8, key=struct.pack("<q", self.salt))

    def lane_at(self, key: str, position: int) -> int:
        """The lane in which the message of a key with this position stands."""
        for first, before in self.changes or ():
            if position < first:
                return lane_of(key, before)
        return lane_of(key, self.lanes)

    def load_again(self, conn: Connection) -> None:
        """The number of lanes has changed since this was read."""
        now = load_stream(conn, self.id)
        self.lanes, self.changes = now.lanes, now.changes

    def hashes_of(self, payloads: Sequence[bytes]) -> tuple[int, ...]:
        """64 bits of keyed BLAKE2b each (RFC 7693): a change with an equal hash would be taken for unchanged, 1 in
        2^64."""
        digests, keyed = [], self._keyed.copy
        for payload in payloads:
            content = keyed()
            content.update(payload)
            digests.append(content.digest())
        return struct.unpack(f"<{len(digests)}q", b"".join(digests))


def load_stream(conn: Connection, stream_id: int) -> StreamRef:
    row = conn.execute(_STREAM, (stream_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no stream {stream_id}")
    return StreamRef(*row)


def counters_of(stream: StreamRef, rows: Sequence[tuple[int, int, int]]) -> dict[int, int]:
    """The next position of each lane that was locked. A lane says by which number of lanes its keys go (0: by the
    first)."""
    if any(lanes not in (0, stream.lanes) for _, _, lanes in rows):
        raise LanesChanged
    return {lane: following for lane, following, _ in rows}
