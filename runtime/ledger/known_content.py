"""Known keys that come with other bytes: which they are, and what is stored for them.

The hash in a head tells whether the bytes are the same; whether other bytes are the same value, only the stored payload
can tell. It is read in one statement, and only for keys where that decides something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from runtime.domain import erased, same_value
from runtime.domain.versions import AtLeast
from runtime.ledger import sql

HELD_PAYLOADS = sql.read("held_payloads")
Place = tuple[int, int]  # lane, position
Compared = dict[tuple[int, Place], tuple[bool, bytes | None]]
"""By content hash of an item and place of the message that is held: whether they are one value, and the canonical form
of the item where they are not."""
AT_ONCE = 200  # comparisons under the locks of the lanes; each may be one of megabytes


class HasLanes(Protocol):
    id: int

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


class HeldContent:
    """What is stored for the known keys of an append that come with other bytes: read where it is first asked for, for
    all of them in one statement. With `by_content` all of them may be the same value; otherwise those of the same
    version, for a newer one is a change and an older one is dropped.

    Where `compared` is not None, more than AT_ONCE comparisons that are left raise ManyDoubtful.
    """

    def __init__(
        self,
        reader: psycopg.Cursor[Any],
        stream: HasLanes,
        items: Sequence[Any],
        hashes: Sequence[int],
        heads: Mapping[str, Sequence[int]],
        by_content: bool,
        compared: Compared | None,
    ) -> None:
        self._reader, self._stream, self._items, self._hashes = reader, stream, items, hashes
        self._heads, self._by_content, self._hurry = heads, by_content, compared is not None
        self.compared: Compared = compared or {}
        self._payloads: dict[Place, bytes] | None = None

    def payload(self, place: Place) -> bytes | None:
        """None for a place that is not in the log yet."""
        if self._payloads is None:
            doubts = self._doubts()
            self._payloads = self._read({where for where, _ in doubts}) if doubts else {}
            if self._hurry:
                self._ask_for_time(doubts, self._payloads)
        return self._payloads.get(place)

    def _doubts(self) -> list[tuple[Place, int]]:
        """Where the messages stand that may be the same value as an item, and the index of that item."""
        get, by_content, lane_at = self._heads.get, self._by_content, self._stream.lane_at
        return [
            ((lane_at(item[0], seen[2]), seen[2]), index)
            for index, (item, content) in enumerate(zip(self._items, self._hashes, strict=True))
            if (seen := get(item[0])) is not None
            and seen[0] != content
            and (by_content or seen[1] == item[1] or item[1].__class__ is AtLeast)
        ]

    def _read(self, places: Iterable[Place]) -> dict[Place, bytes]:
        ordered = sorted(places)
        arguments = [lane for lane, _ in ordered], [position for _, position in ordered], self._stream.id
        self._reader.execute(HELD_PAYLOADS, arguments)
        return {(lane, position): payload for lane, position, payload in self._reader.fetchall()}

    def _ask_for_time(self, doubts: Sequence[tuple[Place, int]], payloads: Mapping[Place, bytes]) -> None:
        if len(payloads) <= AT_ONCE:
            return
        pairs = {}
        for place, index in doubts:
            content = self._hashes[index]
            if place in payloads and (content, place) not in self.compared and not erased.is_erased(payloads[place]):
                pairs[content, place] = (payloads[place], self._items[index][2])
        if len(pairs) > AT_ONCE:
            raise ManyDoubtful(pairs)
