"""The witness file: one signed head a line, only ever appended to, on the disk before the next one is made."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portal.witness import heads
from portal.witness.heads import LedgerHead, NoHead

TAIL = 1_000_000  # bytes: a day and more


@dataclass(frozen=True, slots=True)
class Reading:
    """The heads of a witness, the oldest first. `wrong` says what is not in order, with the line's number; `newest` is
    the last line as it stands, for its signature."""

    heads: tuple[LedgerHead, ...]
    newest: bytes = b""
    wrong: str = ""


def read(path: Path, *, tail: bool = False) -> Reading:
    """All heads, or those of the last day or so. Each names the one before it, so a line that is missing shows."""
    found: list[LedgerHead] = []
    before = b""
    for number, line in _lines(path, tail=tail):
        try:
            head = heads.read(line)
        except NoHead:
            continue  # the rest of a line that a crash cut: the next one follows the one before it
        if (before or not tail) and head.previous != (heads.digest(before) if before else ""):
            return Reading(tuple(found), before, f"line {number} of {path.name} does not follow the one before it")
        found.append(head)
        before = line
    return Reading(tuple(found), before)


def _lines(path: Path, *, tail: bool) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            if tail and (size := file.seek(0, os.SEEK_END)) > TAIL:
                file.seek(size - TAIL)
                file.readline()
            else:
                file.seek(0)
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):  # one that was cut while it was written never counted
                    yield number, line.rstrip(b"\n")
    except FileNotFoundError:
        return


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time appends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def append(path: Path, line: bytes) -> None:
    """The line is on the disk when this returns; it does not join the rest of one that a crash cut."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
