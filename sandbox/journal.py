"""The witness: an append-only JSON Lines file with one line per effect that really happened at an emulator.

A line is written (handed to the operating system in one write) before the emulator answers, so it survives a SIGKILL of
the sandbox; at the next start the emulator rebuilds its state from it. The file is never fsynced: a power cut is not in
scope.

The second half of the module is the reader that tests and the fault campaign judge by; it needs only the file or the
entries served by `GET /_journal`.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One effect.

    seq          1, 2, 3 … without a gap within one emulator's journal
    at           UTC, ISO 8601 with milliseconds and `Z`
    emulator     `erp`, `stores` or `loyalty`
    effect       dotted verb in the past tense, for example `sale.posted`, `price.applied`, `points.earned`
    key          what the vendor deduplicates by: the idempotency key or the natural key; None where the vendor has none
    ref          the business key that must not occur twice for one effect (sale identity, item and version)
    entity       what was changed (document, `store/price/item`, loyalty account); order is judged per entity
    version      version of an absolute value, None for events
    amount       decimal as a string (money, points or quantity), None where there is none
    request      `X-Request-ID` of the call; correlation: the item's own id or `X-Correlation-ID` or the W3C trace id
    data         what the emulator itself needs to come back after a restart
    """

    seq: int
    at: str
    emulator: str
    effect: str
    key: str | None = None
    ref: str | None = None
    entity: str | None = None
    version: int | None = None
    amount: str | None = None
    request: str | None = None
    correlation: str | None = None
    data: dict[str, Any] | None = None


class Journal:
    """Writer of one emulator's file, and reader of it by position.

    Only one process may hold a file (see `lock` in the runner).
    """

    def __init__(self, path: Path, emulator: str) -> None:
        self.path, self.emulator = path, emulator
        self.shift = timedelta(0)  # moved by tests to let kept keys expire without waiting
        self._offsets = array("Q")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._end = self._index()

    def _index(self) -> int:
        """Positions of all lines; a torn last line (killed while writing) is cut off, since it was never answered."""
        end = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    os.truncate(self.path, end)
                    break
                self._offsets.append(end)
                end += len(line)
        return end

    def __len__(self) -> int:
        return len(self._offsets)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def record(
        self, effects: Iterable[dict[str, Any]], *, request: str | None = None, correlation: str | None = None
    ) -> None:
        """Append effects in one write. An effect is a dict with the fields of `Entry` except seq, at and emulator."""
        head = {"at": stamp(self.now()), "emulator": self.emulator}
        tail: dict[str, Any] = {"request": request} if request else {}
        if correlation:
            tail["correlation"] = correlation
        seq, end = len(self._offsets), self._end
        lines: list[bytes] = []
        for effect in effects:
            seq += 1
            line = orjson.dumps({"seq": seq, **head, **tail, **effect}, option=orjson.OPT_APPEND_NEWLINE)
            self._offsets.append(end)
            end += len(line)
            lines.append(line)
        data = memoryview(b"".join(lines))
        while data:
            data = data[os.write(self._fd, data) :]
        self._end = end

    def raw(self, since: int = 0, limit: int | None = None) -> tuple[bytes, int]:
        """Lines with seq > since as bytes, at most `limit` of them, and the seq of the last one given."""
        last = len(self._offsets) if limit is None else min(len(self._offsets), since + limit)
        if since >= last:
            return b"", since
        start = self._offsets[since]
        stop = self._offsets[last] if last < len(self._offsets) else self._end
        return os.pread(self._fd, stop - start, start), last

    def entries(self) -> Iterator[Entry]:
        return read(self.path)

    def close(self) -> None:
        os.close(self._fd)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


# --- reading and judging --------------------------------------------------------------------------------------------


def read(path: Path | str) -> Iterator[Entry]:
    """Entries of a journal file, oldest first. A torn last line is left out."""
    decode = msgspec.json.Decoder(Entry).decode
    with Path(path).open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield decode(line)


def parse(lines: bytes) -> list[Entry]:
    """Entries from the body of `GET /_journal`."""
    return msgspec.json.Decoder(Entry).decode_lines(lines)


def business_key(entry: Entry) -> str | None:
    return entry.ref if entry.ref is not None else entry.key


def counts(
    entries: Iterable[Entry], *, effect: str | None = None, by: Callable[[Entry], str | None] = business_key
) -> Counter[str]:
    """How often each business key took effect. Entries without the key are left out."""
    return Counter(
        key for entry in entries if (effect is None or entry.effect == effect) and (key := by(entry)) is not None
    )


def doubles(
    entries: Iterable[Entry], *, effect: str | None = None, by: Callable[[Entry], str | None] = business_key
) -> dict[str, list[Entry]]:
    """Business keys for which one kind of effect happened more than once, with all its entries. Key: `effect key`."""
    seen: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if (effect is None or entry.effect == effect) and (key := by(entry)) is not None:
            seen[f"{entry.effect} {key}"].append(entry)
    return {key: found for key, found in seen.items() if len(found) > 1}


def missing(entries: Iterable[Entry], expected: Iterable[str], *, effect: str | None = None) -> set[str]:
    """Expected business keys that never took effect: what was lost."""
    return set(expected) - set(counts(entries, effect=effect))


def unexpected(entries: Iterable[Entry], expected: Iterable[str], *, effect: str | None = None) -> set[str]:
    """Business keys that took effect though nobody expected them."""
    return set(counts(entries, effect=effect)) - set(expected)


def order_violations(entries: Iterable[Entry], *, effect: str | None = None) -> list[tuple[Entry, Entry]]:
    """Pairs (newer, older) where an entity went back to an older version.

    An equal version is a double, not a violation.
    """
    newest: dict[tuple[str, str], Entry] = {}
    found: list[tuple[Entry, Entry]] = []
    for entry in entries:
        if entry.version is None or entry.entity is None or (effect is not None and entry.effect != effect):
            continue
        key = (entry.effect, entry.entity)
        held = newest.get(key)
        if held is None or held.version is None or entry.version > held.version:
            newest[key] = entry
        elif entry.version < held.version:
            found.append((held, entry))
    return found
