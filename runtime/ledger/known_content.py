"""Known keys that come with other bytes: which they are, and what is stored for them.

The hash in a head tells whether the bytes are the same; whether other bytes are the same value, only the stored payload
can tell. It is read in one statement, and only for keys where that decides something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg

from runtime.domain.correlation import lane_of
from runtime.ledger import sql

HELD_PAYLOADS = sql.read("held_payloads")
Place = tuple[int, int]  # lane, position


def doubtful(
    items: Sequence[Any], hashes: Sequence[int], heads: Mapping[str, Sequence[int]], lanes: int, by_content: bool
) -> set[Place]:
    """Where the messages stand that may be the same value as an item in other bytes. With `by_content` all that are
    known; otherwise those of the same version, for a newer one is a change and an older one is dropped."""
    get = heads.get
    return {
        (lane_of(item[0], lanes), seen[2])
        for item, content in zip(items, hashes, strict=True)
        if (seen := get(item[0])) is not None and seen[0] != content and (by_content or seen[1] == item[1])
    }


def read_payloads(reader: psycopg.Cursor[Any], stream: int, places: Iterable[Place]) -> dict[Place, bytes]:
    ordered = sorted(places)
    reader.execute(HELD_PAYLOADS, ([lane for lane, _ in ordered], [position for _, position in ordered], stream))
    return {(lane, position): payload for lane, position, payload in reader.fetchall()}
