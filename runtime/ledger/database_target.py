"""Deliver into a table of the product's own database: position, parked rows and effect are one transaction per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from runtime.ledger.append import Fenced
from runtime.ledger.claims import Claim, Proof, release, step
from runtime.ledger.connections import Connection
from runtime.ledger.copying import line
from runtime.ledger.faultpoints import hit
from runtime.ledger.parking import Lines, Mapper, Stop, behind, map_messages, park, split, suspects
from runtime.ledger.reading import Message, parked_keys, take

REFUSED_BY_TABLE = (psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)


@dataclass(frozen=True, slots=True)
class Table:
    """A target table. `columns` are in the order of the mapper's tuples and include the `key` columns.

    The table needs a column `_position bigint not null`: the position of the message that wrote the row.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(*self.name.split("."))

    @property
    def stage(self) -> sql.Identifier:
        return sql.Identifier("stage_" + self.name.replace(".", "_"))


def upsert(conn: Connection, table: Table, rows: Sequence[tuple[int, Sequence[Any] | str]]) -> None:
    """Write `(position, values)` rows through a stage; values may be a line of text already. Only new or different rows are touched; older positions never win.

    The join is lateral with a limit so that it goes by the key's index whatever the statistics say.
    """
    if not rows:
        return
    columns = [sql.Identifier(c) for c in table.columns]
    names = sql.SQL(", ").join(columns)
    old, new = (sql.SQL(", ").join(sql.SQL("{}.{}").format(sql.Identifier(alias), c) for c in columns) for alias in ("o", "s"))
    same_key = sql.SQL(" and ").join(sql.SQL("o.{0} = s.{0}").format(sql.Identifier(k)) for k in table.key)
    changes = [
        sql.SQL("{0} = excluded.{0}").format(c) for c, name in zip(columns, table.columns, strict=True) if name not in table.key
    ]
    parts = {
        "table": table.identifier, "stage": table.stage, "names": names, "old": old, "new": new, "same_key": same_key,
        "key": sql.SQL(", ").join(sql.Identifier(k) for k in table.key), "first_key": sql.Identifier(table.key[0]),
        "changes": sql.SQL(", ").join([*changes, sql.SQL("_position = excluded._position")]),
    }  # fmt: skip
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "create temp table if not exists {stage} on commit delete rows as select {names}, 0::bigint as _position from {table} limit 0"
            ).format(**parts)
        )
        with cursor.copy(sql.SQL("copy {stage} (_position, {names}) from stdin").format(**parts)) as copy:
            lines = [
                f"{position}\t{values}" if isinstance(values, str) else line((position, *values)) for position, values in rows
            ]
            copy.write("\n".join(lines) + "\n")
        cursor.execute(
            sql.SQL(
                """insert into {table} as t ({names}, _position) select {new}, s._position from {stage} s
                     left join lateral (select * from {table} o where {same_key} limit 1) o on true
                    where o.{first_key} is null or (o._position < s._position and ({old}) is distinct from ({new}))
                   on conflict ({key}) do update set {changes} where t._position < excluded._position"""
            ).format(**parts)
        )


def deliver(conn: Connection, taken: Claim, table: Table, mapper: Mapper, *, max_batches: int = 1 << 30) -> int:
    """Deliver the lane batch by batch; answers how many messages were passed. Raises Fenced when the lane or the gate is lost.

    A batch that the table refuses is halved until the message that it refuses is alone; that one is parked as dead. Where several
    owners have ended, the next batch is set aside, message by message, and the lane goes on.
    """
    position, passed, size, suspect = taken.position, 0, taken.batch, taken.suspect
    for _ in range(max_batches):
        messages = take(conn, taken, position, size, raw=isinstance(mapper, Lines))
        if not messages:
            break
        try:
            _apply(conn, taken, table, mapper, messages, suspects(messages, taken) if suspect else [])
        except REFUSED_BY_TABLE as error:
            if len(messages) > 1:
                size = max(1, len(messages) // 2)
                continue
            reason = (error.diag.message_primary or str(error)).strip()
            _apply(conn, taken, table, mapper, messages, [Stop(messages[0].position, messages[0].key, "dead", "refused", reason)])
        position, passed, suspect = messages[-1].position, passed + len(messages), False
        size = min(taken.batch, size * 2)
        if taken.pace is not None:
            release(conn, taken, wait=len(messages) / taken.pace)
            return passed
    release(conn, taken)
    return passed


def _apply(conn: Connection, taken: Claim, table: Table, mapper: Mapper, messages: list[Message], stops: list[Stop]) -> None:
    """One batch. The step comes first: it takes the row lock, so a worker that lost the lane learns at once."""
    go, waiting = split(messages, parked_keys(conn, taken, messages) | {stop.key for stop in stops})
    waiting = [m for m in waiting if m.position not in {stop.position for stop in stops}]
    mapped, refused, skipped = map_messages(go, mapper)
    rows = {message.key: (message.position, values) for message, values in mapped}  # the last one of a key wins
    parked = [*stops, *refused, *behind(waiting)]
    dead = sum(stop.state == "dead" for stop in parked)
    proof = Proof(
        messages[0].position,
        messages[-1].position,
        "applied",
        len(rows),
        len(mapped) - len(rows),
        len(skipped),
        dead,
        len(parked) - dead,
    )
    hit("database.before_transaction")
    with conn.transaction():
        step(conn, taken, messages[-1].position, proof=proof)
        hit("database.after_step")
        upsert(conn, table, list(rows.values()))
        park(conn, taken, parked)
        hit("database.before_commit")
    hit("database.after_commit")


__all__ = ["Fenced", "Table", "deliver", "upsert"]
