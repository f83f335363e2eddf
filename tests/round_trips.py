"""Counting what goes over the line to PostgreSQL, by libpq's own trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(slots=True)
class TracedLine:
    """The trace of one connection; libpq has written it when the block has ended."""

    file: Path

    @property
    def round_trips(self) -> int:
        """How often the server was waited for until it was ready again."""
        return self.file.read_text().count("ReadyForQuery")


@contextmanager
def record(conn: psycopg.Connection[Any], folder: Path) -> Iterator[TracedLine]:
    line = TracedLine(folder / f"line-{conn.info.backend_pid}")
    with line.file.open("w") as out:
        conn.pgconn.trace(out.fileno())
        try:
            yield line
        finally:
            conn.pgconn.untrace()
