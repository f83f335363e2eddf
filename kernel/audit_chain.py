"""Verifies the audit ledger. The hashes are computed here, over a stated list of columns, so that neither a replaced
function of the database nor a column that was added later changes what is found.

A *witnessed* head is a position with its hash and the database's clock, kept outside the database: a ledger that was
written anew or cut differs from it, and an entry that bears a time from before it was put in afterwards.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

VERSION = 2
"""The list of columns of new links; `kernel/sql/20_audit_chain.sql` has the same lists."""
_FIRST = (
    *("id", "at", "actor_id", "actor_text", "verb", "subject_kind", "subject_id"),
    *("before", "after", "reason", "request_id"),
)
COLUMNS: dict[int, tuple[str, ...]] = {1: _FIRST, 2: (*_FIRST, "written_by")}
_IN_ORDER = {
    version: sorted((*names, *(("version",) if version > 1 else ())), key=lambda name: (len(name), name.encode()))
    for version, names in COLUMNS.items()
}
"""As PostgreSQL orders the keys of a JSON object: by length, then by bytes."""
BATCH = 5_000
LONGEST_TRANSACTION = timedelta(hours=6)
"""An entry bears the time at which its transaction began, its link stands where it was committed."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A head as it was kept outside: where, which hash, and what the database's clock said then."""

    position: int
    hash: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`. `sound` is False when an entry, a link or a head that was kept elsewhere does not match
    its hash; `broken_at` is the position where that was found."""

    sound: bool
    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""


_READ = """
select l.position, l.hash, l.previous_hash, l.version, e.id, e.at, e.actor_id, e.actor_text, e.verb, e.subject_kind,
       e.subject_id, e.before::text as before, e.after::text as after, e.reason, e.request_id, e.written_by
  from kernel_auditlink l
  left join kernel_auditentry e on e.id = l.entry_id
 where l.position > %s
 order by l.position
 limit %s
"""
_UNLINKED = """
select count(*), clock_timestamp() from kernel_auditentry e
 where not exists (select from kernel_auditlink l where l.entry_id = e.id)
"""


def text_of(entry: dict[str, Any], version: int) -> str:
    """The entry as the database hashes it: JSON as PostgreSQL writes it, over the columns of this version."""
    return "{" + ", ".join(f'"{name}": {_json(name, entry, version)}' for name in _IN_ORDER[version]) + "}"


def hash_of(previous: str, text: str) -> str:
    return hashlib.sha256((previous + text).encode()).hexdigest()


def _json(name: str, entry: dict[str, Any], version: int) -> str:
    if name == "version":
        return str(version)
    value = entry[name]
    if value is None:
        return "null"
    if name in ("before", "after"):
        return str(value)  # JSON already, in the database's own words
    if isinstance(value, datetime):
        return f'"{_moment(value)}"'
    return json.dumps(value, ensure_ascii=False)


def _moment(at: datetime) -> str:
    utc = at.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}".rstrip("0")
    return f"{utc:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}+00:00"


class TakesTooLongError(Exception):
    """The chain is longer than what can be verified in the given time."""


def _links(until: float) -> Iterator[dict[str, Any]]:
    last = 0
    while True:
        if time.monotonic() > until:
            raise TakesTooLongError
        with connection.cursor() as cursor:
            cursor.execute(_READ, [last, BATCH])
            names = [column.name for column in cursor.description]
            rows = cursor.fetchall()
        for row in rows:
            yield dict(zip(names, row, strict=True))
        if len(rows) < BATCH:
            return
        last = rows[-1][0]


def verify(
    *, anchor: tuple[int, str] | None = None, witnessed: Sequence[Witnessed] = (), within: float = math.inf
) -> Verification:
    """Check the whole chain, entry by entry, and compare it with the heads that were kept outside.

    `anchor` is the position and hash of one such head. Raises TakesTooLongError after `within` seconds.
    """
    heads = sorted([*witnessed, *([Witnessed(*anchor)] if anchor else [])], key=lambda head: head.position)
    walk = _Walk(heads)
    for link in _links(time.monotonic() + within):
        if (why := walk.wrong(link)) is not None:
            return Verification(False, walk.entries, walk.head, link["position"], why)
    with connection.cursor() as cursor:
        cursor.execute(_UNLINKED)
        unlinked, now = cursor.fetchone()
    if unlinked:
        return Verification(False, walk.entries, walk.head, None, f"{unlinked} entries are not part of the chain")
    if (missing := walk.missing()) is not None:
        return Verification(False, walk.entries, walk.head, None, missing)
    if (dated := walk.misdated(now)) is not None:
        return Verification(False, walk.entries, walk.head, dated, "the entry bears a time at which it was not written")
    return Verification(True, walk.entries, walk.head)


@dataclass(slots=True)
class _Span:
    """Between two heads with a time: the lowest and the highest time of an entry, each with its position."""

    low: datetime
    low_at: int
    high: datetime
    high_at: int


class _Walk:
    """What is known of the chain while it is read from its beginning."""

    def __init__(self, heads: Sequence[Witnessed]) -> None:
        self.entries, self.position, self.head, self.version = 0, 0, "0" * 64, 1
        self.heads: dict[int, list[Witnessed]] = {}
        for head in heads:
            self.heads.setdefault(head.position, []).append(head)
        self.last = heads[-1].position if heads else 0
        self.clocks = [(head.position, head.at) for head in heads if head.at is not None]
        self.passed = 0  # so many of them stand before the present position
        self.spans: dict[int, _Span] = {}

    def wrong(self, link: dict[str, Any]) -> str | None:
        position, version = link["position"], link["version"]
        if position != self.position + 1:
            return f"positions {self.position + 1} to {position - 1} are missing"
        if link["id"] is None:
            return "the entry of this link is missing"
        if version not in COLUMNS or version < self.version:
            return f"its hash is over a list of columns that does not follow ({version} after {self.version})"
        if link["previous_hash"] != self.head or link["hash"] != hash_of(self.head, text_of(link, version)):
            return "the entry or its link was altered"
        for head in self.heads.get(position, ()):
            if head.hash != link["hash"]:
                when = f" at {head.at:%Y-%m-%d %H:%M} UTC" if head.at else ""
                return f"another head was witnessed here{when} (anchored head): the ledger was written anew"
        self._time(link["at"], position)
        self.entries, self.position, self.head, self.version = self.entries + 1, position, link["hash"], version
        return None

    def _time(self, at: datetime, position: int) -> None:
        while self.passed < len(self.clocks) and position > self.clocks[self.passed][0]:
            self.passed += 1
        span = self.spans.setdefault(self.passed, _Span(at, position, at, position))
        if at < span.low:
            span.low, span.low_at = at, position
        if at > span.high:
            span.high, span.high_at = at, position

    def missing(self) -> str | None:
        if self.last > self.position:
            return (
                f"the chain ends at position {self.position}, before the anchored head at {self.last} that was "
                "witnessed: it was cut, or a backup was restored and nobody said so"
            )
        return None

    def misdated(self, now: datetime) -> int | None:
        """The position of an entry whose time cannot be true: the heads before and after it say what the clock of the
        database showed. A clock that was put back shows in them as well."""
        for passed, span in self.spans.items():
            after = self.clocks[passed][1] if passed < len(self.clocks) else now
            before = self.clocks[passed - 1][1] if passed else None
            if before is not None and span.low < min(before, after) - LONGEST_TRANSACTION:
                return span.low_at
            if span.high > max(before or after, after) + LONGEST_TRANSACTION:
                return span.high_at
        return None
