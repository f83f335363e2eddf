"""Conflict cases: a known fact that comes with other content. One key and one content are one case, however often it
comes."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.domain.kept_cases import KEPT_A_DAY
from runtime.ledger import sql
from runtime.ledger.connections import Connection

RECORD_CONFLICTS = sql.read("record_conflicts", kept=str(KEPT_A_DAY))
AT_ONCE = 1_000  # cases of one statement
Conflict = tuple[str, int, int, bytes]  # key, position of the message that is held, hash and payload of what came


def record(conn: Connection, stream: int, conflicts: Sequence[Conflict]) -> int:
    """Keep the cases, in the transaction of their append, or count them. Answers how many of them are new."""
    cases: dict[tuple[str, int], Conflict] = {}
    seen: dict[tuple[str, int], int] = {}
    for one in conflicts:
        name = one[0], one[2]
        cases.setdefault(name, one)
        seen[name] = seen.get(name, 0) + 1
    ordered, new = sorted(cases), 0
    for start in range(0, len(ordered), AT_ONCE):
        part = [cases[name] for name in ordered[start : start + AT_ONCE]]
        given = {
            "stream": stream,
            "keys": [one[0] for one in part],
            "positions": [one[1] for one in part],
            "hashes": [one[2] for one in part],
            "payloads": [one[3].decode() for one in part],
            "seen": [seen[one[0], one[2]] for one in part],
        }
        row = conn.execute(RECORD_CONFLICTS, given).fetchone()
        new += row[0] if row else 0
    return new
