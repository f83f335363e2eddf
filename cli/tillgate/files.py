"""What a caller gives: files, read without trusting how long they are, and names in one spelling."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import BinaryIO

LARGEST = 4 * 1024 * 1024


def read(name: str | Path) -> bytes:
    """At most 4 MiB. Raises OSError, or ValueError with a sentence."""
    with Path(name).open("rb") as opened:
        return bounded(opened)


def read_text(name: str | Path) -> str:
    """The same, in UTF-8, each end of a line as one sign."""
    return read(name).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def bounded(opened: BinaryIO) -> bytes:
    """What is left of an open file. Raises ValueError where that is more than 4 MiB."""
    data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST} bytes")
    return data


def one_spelling(name: str) -> str:
    """A name in Unicode's normal form C, as the gate compares it: names of files on macOS come in another one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
