"""Every statement that a test makes the product say is one that the serving role may say.

Tests run as the owner of the tables, who may do everything. So what the product says is compared with the rights that
its role has in production (`portal/database_roles.py`) before it is said, and is refused as the database would.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

from portal import database_roles

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = tuple(f"{ROOT / room}/" for room in (*database_roles.ROOMS, "portal"))
OURS = f"{ROOT}/"
# Frames between who says a statement and psycopg.
BETWEEN = (f"{ROOT / '.venv'}/", f"{ROOT / 'kernel' / 'postgresql'}/", str(ROOT / "kernel" / "acting.py"), __file__)
OWNERS = ("/migrations/", "/kernel/sql_files.py")  # what the owner of the tables says
_NAME = r'"?([a-z_]+)"?'
_WRITES = re.compile(
    rf"\b(?:(insert) into {_NAME}|(delete) from (?:only )?{_NAME}"
    rf"|(?<!for )(?<!for no key )(?<!on )(update) (?:only )?{_NAME}(?: (?:as )?(?!set\b)[a-z_]+)? set (.*?)"
    r"(?= from | where | returning |; |$)|on (conflict) .*?do (?:nothing|update set (.*?)(?= where | returning |; |$)))"
)
_LOCKS = re.compile(rf"\bfor (?:update|no key update|share|key share)(?: of {_NAME})?")
_READS = re.compile(rf"\b(?:from|join) (?:only )?{_NAME}")
_UPDATABLE = re.compile(r"\bupdate(?: \(([^)]*)\))?")


@functools.cache
def _updatable(table: str) -> frozenset[str] | None:
    """The columns that the role may update; None stands for all."""
    found = _UPDATABLE.search(database_roles.RIGHTS.get(table, database_roles.EVERYTHING))
    if found is None:
        return frozenset()
    return None if found[1] is None else frozenset(one.strip() for one in found[1].split(","))


def _plain(statement: str) -> str:
    """In lower case, on one line, without comments and texts."""
    text = re.sub(r"--[^\n]*", " ", statement)
    text = re.sub(r"'(?:[^']|'')*'", "''", text)
    return re.sub(r"\s+", " ", text).strip().lower()


def _columns(assignments: str) -> set[str]:
    """What stands left of each `=` on the outermost level: `a = f(x, y), "b" = 1`, `(a, b) = row`."""
    parts, depth, start = [], 0, 0
    for place, one in enumerate(assignments):
        depth += (one == "(") - (one == ")")
        if one == "," and depth == 0:
            parts.append(assignments[start:place])
            start = place + 1
    named = (part.partition("=")[0] for part in [*parts, assignments[start:]])
    return {column for left in named for column in re.findall(r"[a-z_][a-z_0-9]*", left)}


@functools.lru_cache(4096)
def refusal(statement: str) -> str | None:
    """What the database would refuse of this statement, were the serving role to say it; None where nothing."""
    plain, table = _plain(statement), ""
    for found in _WRITES.finditer(plain):
        inserts, into, deletes, of, updates, named, assigned, _, also = found.groups()
        table = into or of or named or table
        if not table.startswith(tuple(f"{one}_" for one in (*database_roles.ROOMS, *database_roles.OTHERS))):
            continue
        right = database_roles.RIGHTS.get(table, database_roles.EVERYTHING)
        verb = inserts or deletes or updates
        if verb and verb not in right:
            return f"permission denied for table {table}: {verb}"
        may = _updatable(table)
        wanted = _columns(assigned or also or "")
        if may is not None and not wanted <= may:
            return f"permission denied for table {table}: update of {', '.join(sorted(wanted - may))}"
    return _locks_too_much(plain)


def _locks_too_much(plain: str) -> str | None:
    """A row is locked by who may update one of its columns."""
    for found in _LOCKS.finditer(plain):
        named = [found[1]] if found[1] else _READS.findall(plain[: found.start()])
        for table in named:
            if table in database_roles.RIGHTS and _updatable(table) == frozenset():
                return f"permission denied for table {table}: lock"
    return None


def _said_by_the_product() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS) and not name.startswith(BETWEEN):
            return name.startswith(PRODUCT) and not any(part in name for part in OWNERS)
        frame = frame.f_back
    return False


def _text(query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else str(query.as_string(None))


@contextmanager
def in_force() -> Iterator[None]:
    """Until the end of the block each statement of this process is compared before it is said."""
    plain = {name: getattr(psycopg.Cursor, name) for name in ("execute", "executemany", "stream")}

    def compared(name: str) -> Any:
        def say(self: Any, query: Any, *given: Any, **more: Any) -> Any:
            if (why := refusal(_text(query))) is not None and _said_by_the_product():
                raise psycopg.errors.InsufficientPrivilege(why)
            return plain[name](self, query, *given, **more)

        return say

    for name in plain:
        setattr(psycopg.Cursor, name, compared(name))
    try:
        yield
    finally:
        for name, was in plain.items():
            setattr(psycopg.Cursor, name, was)
