"""What a builder writes is built once in a process; later its rows are copied back, which is many times quicker.

    @kept_rows.once
    def house() -> House: ...

The builder starts from a database that holds nothing but what migrations wrote, and its answer holds plain values and
model instances. Where the database holds more, where the builder gets arguments, or where the rows are older than
`seconds` (for a builder that writes "two minutes ago"), the builder works as ever.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import Permission
from django.db import connection, transaction

from tests import clean_slate, kept_sessions

T = TypeVar("T")
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows of the tables that a builder filled, its answer, and when that was."""

    rows: list[tuple[str, str, bytes]]
    answer: object
    at: float
    seeded: list[tuple[str, str, bytes]] | None
    """What migrations wrote first, as the builder found it; None where the builder leaves that alone."""

    def fits(self) -> bool:
        if not _hold_nothing(table for table, _, _ in self.rows if table not in clean_slate.SEEDED):
            return False
        return self.seeded is None or self.seeded == _copied_out(clean_slate.SEEDED)

    def put_back(self) -> None:
        if not connection.in_atomic_block:
            beneath = kept_sessions.beneath_triggers()
            with beneath.transaction(), beneath.cursor() as cursor:
                self._copy_in(cursor)
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("set local session_replication_role = replica")
            self._copy_in(cursor)
            cursor.execute("set local session_replication_role = origin")

    def _copy_in(self, cursor: Any) -> None:
        if self.seeded is not None:
            cursor.execute(clean_slate.emptying(clean_slate.SEEDED))
        for table, columns, rows in self.rows:
            with cursor.copy(f"copy {table} ({columns}) from stdin") as copying:
                copying.write(rows)


def once(builder: Callable[[], T] | None = None, *, seconds: float = FOREVER) -> Callable[..., T]:
    if builder is None:
        return functools.partial(once, seconds=seconds)
    kept: dict[int, Kept] = {}

    @functools.wraps(builder)
    def build() -> T:
        # Rows point at permissions; a database that was made anew numbers them anew.
        of_these = Permission.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        found = kept.get(of_these)
        if found and time.monotonic() - found.at <= seconds:
            if found.fits():
                found.put_back()
                return copy.deepcopy(found.answer)
            return builder()
        others = [one for one in clean_slate.tables_of() if one not in clean_slate.SEEDED | clean_slate.NOTED]
        untouched, seeded = _hold_nothing(others), _copied_out(clean_slate.SEEDED)
        answer = builder()
        if untouched:
            now_seeded = _copied_out(clean_slate.SEEDED)
            rows = _copied_out(others) + (now_seeded if now_seeded != seeded else [])
            kept[of_these] = Kept(
                rows, copy.deepcopy(answer), time.monotonic(), seeded if now_seeded != seeded else None
            )
        return answer

    return build


def _hold_nothing(tables: Iterable[str]) -> bool:
    asked = " or ".join(f"exists (select from {table})" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"select {asked}")
        return cursor.fetchone() == (False,)


@functools.cache
def _columns() -> dict[str, str]:
    """The columns of each table that can be written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """select table_name, string_agg(quote_ident(column_name), ',' order by ordinal_position)
                 from information_schema.columns
                where table_schema = 'public' and is_generated = 'NEVER'
                group by table_name"""
        )
        return dict(cursor.fetchall())


def _copied_out(tables: Iterable[str]) -> list[tuple[str, str, bytes]]:
    kept = []
    with connection.cursor() as cursor:
        for table in tables:
            columns = _columns()[table]
            with cursor.copy(f"copy (select {columns} from {table}) to stdout") as copying:
                rows = b"".join(bytes(chunk) for chunk in copying)
            if rows:
                kept.append((table, columns, rows))
    return kept
