"""Rows of the message log and of its heads as COPY takes them, in its binary format."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.ledger.copy_format import BINARY_END, BINARY_START, NULL, binary_cell, binary_number

_MESSAGE, _VERSIONS, _SIZE = struct.Struct(">hihihiqi").pack, struct.Struct(">iqiqiq").pack, struct.Struct(">i").pack
_HEAD, _STATE = struct.Struct(">hihi").pack, struct.Struct(">iqiqiq").pack


def copied_messages(
    stream: int, release: int | None, run: int | None, now: int, rows: Iterable[tuple[int, int, int, Any]]
) -> bytes:
    """Rows are lane, position, position before it and `IncomingMessage`."""
    release_and_run = binary_number(release) + binary_number(run)
    plain = release_and_run + NULL * 3
    parts = [BINARY_START]
    add = parts.append
    for lane, position, previous, (key, version, payload, correlation, causation, traceparent) in rows:
        text = key.encode()
        rest = plain
        if correlation is not None or causation is not None or traceparent is not None:
            rest = release_and_run + binary_cell(correlation) + binary_cell(causation) + binary_cell(traceparent)
        add(_MESSAGE(13, 2, stream, 2, lane, 8, position, len(text)) + text)
        add(_VERSIONS(8, version, 8, previous, 8, now) + rest + _SIZE(len(payload)))
        add(payload)
    add(BINARY_END)
    return b"".join(parts)


def copied_heads(stream: int, heads: Mapping[str, tuple[int, int, int]]) -> bytes:
    """Sorted by key, so that the index is filled in order."""
    parts = [BINARY_START]
    add = parts.append
    for key in sorted(heads):
        text, (content, version, position) = key.encode(), heads[key]
        add(_HEAD(5, 2, stream, len(text)) + text + _STATE(8, content, 8, version, 8, position))
    add(BINARY_END)
    return b"".join(parts)
