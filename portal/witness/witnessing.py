"""Once a minute: the head of the ledger is signed and leaves the database, after a look at whether it continues what
was witnessed before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from portal.witness import heads, keys, lines, senders
from portal.witness.heads import LedgerHead
from runtime.selectors import recovery

log = logging.getLogger(__name__)
AT_LEAST_EVERY = timedelta(hours=1)
_HEAD = """
select coalesce(max(position), 0),
       coalesce((select l.hash from kernel_auditlink l order by l.position desc limit 1), repeat('0', 64)),
       clock_timestamp()
  from kernel_auditlink
"""


def witness() -> int:
    """Write the head, where it has moved or an hour is over. Returns how many lines that were."""
    path = Path(settings.WITNESS_FILE)
    with lines.locked(path):
        reading = lines.read(path, tail=True)
        made = _next(path, reading)
        if made is None:
            return 0
        line = heads.signed(made, keys.signer())
        lines.append(path, line)
    if made.breaks:
        log.error("the ledger does not continue what was witnessed: %s", made.breaks)
    senders.send(line, made.position)
    return 1


def _next(path: Path, reading: lines.Reading) -> LedgerHead | None:
    with connection.cursor() as cursor:
        cursor.execute(_HEAD)
        position, head, database_time = cursor.fetchone()
    last = reading.heads[-1] if reading.heads else None
    breaks = _break_since(last, position) if last else ""
    restored: dict[str, Any] = {}
    if breaks or any(one.breaks for one in open_lines(reading.heads)):
        restored = _stated(path)
        breaks = "" if restored else breaks
    if last and not breaks and not restored:
        still = (last.position, last.hash) == (position, head)
        if still and database_time - last.database_time < AT_LEAST_EVERY:
            return None
    previous = heads.digest(reading.newest) if reading.newest else ""
    return LedgerHead(position, head, database_time, settings.PUBLIC_URL, previous, breaks=breaks, restored=restored)


def open_lines(found: Sequence[LedgerHead]) -> list[LedgerHead]:
    """The lines since the last restoration that was stated."""
    since = max((n for n, head in enumerate(found) if head.restored), default=-1)
    return list(found[since + 1 :])


def _break_since(last: LedgerHead, position: int) -> str:
    if last.position > position:
        return f"it ends at position {position}; position {last.position} was witnessed"
    if last.position and hash_at(last.position) != last.hash:
        return f"position {last.position} has another hash than the one that was witnessed"
    return ""


def hash_at(position: int) -> str:
    return hashes_at([position]).get(position, "")


def hashes_at(positions: Sequence[int]) -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("select position, hash from kernel_auditlink where position = any(%s)", [list(positions)])
        return dict(cursor.fetchall())


def _stated(path: Path) -> dict[str, Any]:
    """What is known of the database having gone back since the last head that still stands; empty where nobody said so
    and nothing was noticed."""
    rewind = recovery.newest_rewind()
    if rewind is None:
        return {}
    present = [head for head in open_lines(lines.read(path).heads) if not head.breaks]
    there = hashes_at([head.position for head in present])
    gone = [head for head in present if head.position and there.get(head.position) != head.hash]
    if not gone or rewind.at < gone[0].database_time - AT_LEAST_EVERY:
        return {}
    return {
        "from_position": max(
            (h.position for h in present if h not in gone and h.position < gone[0].position), default=0
        ),
        "rewind": rewind.pk,
        "reason": rewind.reason,
        "note": rewind.note,
        "at": rewind.at.isoformat(),
        "gone": len(gone),
    }
