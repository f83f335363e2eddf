"""What retention would take now. Rows are counted up to a number that is said; of months of messages it is told what
PostgreSQL estimates, and that it is an estimate. Nothing is read from its beginning."""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

from kernel.counts import MOST_COUNTED, CountedSoFar, counted_up_to
from runtime.ledger import retained_rows as rows
from runtime.ledger.connections import Connection
from runtime.ledger.retention import due_days_of_heads, due_partitions

RECOVERING = "the database went back, and recovery has not ended"
_ESTIMATE = "select reltuples::bigint from pg_class where oid = %s::regclass"
_FACTS = """
select count(*)
from (
    select
    from generate_series(0, %(lanes)s::int - 1) l (lane)
    cross join lateral (
        select
        from runtime_message m
        where m.stream_id = %(stream)s
            and m.lane = l.lane::smallint
            and m.received_at >= %(since)s
            and m.received_at < %(until)s
        limit %(count)s
    ) m
    limit %(count)s
) few"""


class Due(NamedTuple):
    """A part of what is kept that the policy no longer keeps, and what still needs it."""

    data_class: str
    what: str
    number: int
    holds: tuple[str, ...] = ()
    estimated: bool = False
    """Nobody counted: it is what PostgreSQL made of a sample."""

    @property
    def more(self) -> bool:
        """There are more than `number`."""
        return isinstance(self.number, CountedSoFar)


def due(conn: Connection) -> list[Due]:
    """What would go now, with what holds it back; changes nothing."""
    found = [_messages(conn, part.name, why) for part, why in due_partitions(conn)]
    held = (RECOVERING,) if rows.is_recovering(conn) else ()
    known = rows.edges(conn, "evidence")
    for what, table in rows.EVIDENCE.items():
        found.append(_counted(conn, "evidence", what, known, rows.due_evidence(table))._replace(holds=held))
    with rows.planned_for_these(conn):
        for part in rows.PARTS:
            what = part.table.partition("_")[2]
            found.append(_counted(conn, part.data_class, what, rows.edges(conn, part.data_class), f"select {part.due}"))
    found.append(_heads(conn))
    return [one for one in found if one.number or one.data_class == "messages"]


def _heads(conn: Connection) -> Due:
    """The facts whose keys will be looked at; those of them that bear an old business date lose it."""
    number = 0
    for days in due_days_of_heads(conn):
        row = conn.execute(_FACTS, {**days._asdict(), "count": MOST_COUNTED + 1 - number}).fetchone()
        number += row[0] if row else 0
    return Due("heads", "head", counted_up_to(number, MOST_COUNTED))


def _messages(conn: Connection, name: str, why: tuple[str, ...]) -> Due:
    row = conn.execute(_ESTIMATE, (name,)).fetchone()
    if row and row[0] > 0:
        return Due("messages", name, row[0], why, estimated=True)
    few = sql.SQL("select count(*) from (select from {part} limit %s) few").format(part=sql.Identifier(name))
    row = conn.execute(few, (MOST_COUNTED + 1,)).fetchone()
    return Due("messages", name, counted_up_to(row[0] if row else 0, MOST_COUNTED), why)


def _counted(conn: Connection, data_class: str, what: str, edges: list[rows.Edge], chosen: str) -> Due:
    number = 0
    for edge in edges:
        left = MOST_COUNTED + 1 - number
        text = f"select count(*) from ({chosen} limit %(count)s) few"
        row = conn.execute(text.encode(), {**edge._asdict(), "count": left}).fetchone()
        number += row[0] if row else 0
    return Due(data_class, what, counted_up_to(number, MOST_COUNTED))
