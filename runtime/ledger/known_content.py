"""Known keys that come with other bytes: which they are, and what is stored for them.

The hash in a head tells whether the bytes are the same; whether other bytes are the same value, only the stored payload
can tell. It is read in one statement, and only for keys where that decides something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from runtime.domain import same_value
from runtime.ledger import sql

HELD_PAYLOADS = sql.read("held_payloads")
Place = tuple[int, int]  # lane, position
Compared = dict[tuple[int, Place], tuple[bool, bytes | None]]
"""By content hash of an item and place of the message that is held: whether they are one value, and the canonical form
of the item where they are not."""
AT_ONCE = 200  # comparisons under the locks of the lanes; each may be one of megabytes


class HasLanes(Protocol):
    def lane_at(self, key: str, position: int) -> int: ...


class ManyDoubtful(Exception):
    """So many items are to be compared with what is held that nobody should wait for it: nothing was stored. The result
    of `compare` goes with the next try, for what is held never changes."""

    def __init__(self, pairs: dict[tuple[int, Place], tuple[bytes, bytes]]) -> None:
        super().__init__(f"{len(pairs)} comparisons")
        self.pairs = pairs

    def compare(self) -> Compared:
        made: Compared = {}
        for key, (held, sent) in self.pairs.items():
            same = same_value.same(held, sent)
            made[key] = (same, None if same else same_value.canonical(sent))
        return made


def ask_for_time(
    items: Sequence[Any],
    hashes: Sequence[int],
    heads: Mapping[str, Sequence[int]],
    stream: HasLanes,
    payloads: Mapping[Place, bytes],
    compared: Compared,
) -> None:
    """Raises ManyDoubtful where more than AT_ONCE comparisons are left."""
    if len(payloads) <= AT_ONCE:
        return
    pairs = {}
    for item, content in zip(items, hashes, strict=True):
        if (seen := heads.get(item[0])) is None or seen[0] == content:
            continue
        place = stream.lane_at(item[0], seen[2]), seen[2]
        if place in payloads and (content, place) not in compared:
            pairs[content, place] = (payloads[place], item[2])
    if len(pairs) > AT_ONCE:
        raise ManyDoubtful(pairs)


def doubtful(
    items: Sequence[Any], hashes: Sequence[int], heads: Mapping[str, Sequence[int]], stream: HasLanes, by_content: bool
) -> set[Place]:
    """Where the messages stand that may be the same value as an item in other bytes. With `by_content` all that are
    known; otherwise those of the same version, for a newer one is a change and an older one is dropped."""
    get = heads.get
    return {
        (stream.lane_at(item[0], seen[2]), seen[2])
        for item, content in zip(items, hashes, strict=True)
        if (seen := get(item[0])) is not None and seen[0] != content and (by_content or seen[1] == item[1])
    }


def read_payloads(reader: psycopg.Cursor[Any], stream: int, places: Iterable[Place]) -> dict[Place, bytes]:
    ordered = sorted(places)
    reader.execute(HELD_PAYLOADS, ([lane for lane, _ in ordered], [position for _, position in ordered], stream))
    return {(lane, position): payload for lane, position, payload in reader.fetchall()}
