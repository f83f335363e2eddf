"""Deliver into a table of the product's own database: position, quarantined rows and effect are one transaction per
batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from runtime.domain.outcome_codes import CONFIRMED, QUARANTINED, SKIPPED, SUPERSEDED
from runtime.ledger import measures
from runtime.ledger.append import BULK, BY_PLACE, Fenced
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import release, step
from runtime.ledger.connections import Connection
from runtime.ledger.copy_format import line
from runtime.ledger.evidence import DeliveryEvidence, outcomes_by_position
from runtime.ledger.faultpoints import hit
from runtime.ledger.log_reader import LoggedMessage, quarantined_keys, read_next
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine import QuarantineEntry, blocked_by_earlier, poison_suspects, quarantine, split_blocked

Row = tuple[int, Sequence[Any] | str]
"""Position of the message, and its values in the order of the columns or as a line of text already."""
MAX_DISAPPOINTMENTS = 3
_disappointed: dict[str, int] = {}
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


@dataclass(frozen=True, slots=True)
class MappedTable:
    """A table with the mapper of one release."""

    table: Table
    mapper: Mapper


@dataclass(frozen=True, slots=True)
class _Statements:
    create: str
    stage: str
    merge: str
    update: str
    insert: str


_CREATE_STAGE = """
create temp table if not exists {stage} on commit delete rows as
select {names}, 0::bigint as _position
from {table}
limit 0"""
_COPY_TO_STAGE = "copy {stage} (_position, {names}) from stdin"
# The join is lateral with a limit so that it goes by the key's index whatever the statistics say.
_MERGE = """
insert into {table} as t ({names}, _position)
select {new}, s._position
from {stage} s
left join lateral (select * from {table} o where {same_key} limit 1) o on true
where o.{first_key} is null
    or (o._position < s._position and ({old}) is distinct from ({new}))
on conflict ({key}) do update
set {changes}
where t._position < excluded._position"""
_UPDATE = """
update {table} o
set {updates}
from {stage} s
where {same_key}
    and o._position < s._position
    and ({old}) is distinct from ({new})"""
_COPY_TO_TABLE = "copy {table} (_position, {names}) from stdin"


@lru_cache(maxsize=256)
def _statements(table: Table) -> _Statements:
    columns = [sql.Identifier(c) for c in table.columns]
    names = sql.SQL(", ").join(columns)
    old, new = (
        sql.SQL(", ").join(sql.SQL("{}.{}").format(sql.Identifier(alias), c) for c in columns) for alias in ("o", "s")
    )
    same_key = sql.SQL(" and ").join(sql.SQL("o.{0} = s.{0}").format(sql.Identifier(k)) for k in table.key)
    changed = [sql.Identifier(c) for c in [*(c for c in table.columns if c not in table.key), "_position"]]
    changes, updates = (
        sql.SQL(", ").join(sql.SQL("{0} = {1}.{0}").format(c, sql.SQL(source)) for c in changed)
        for source in ("excluded", "s")
    )
    parts = {
        "table": table.identifier,
        "stage": table.stage,
        "names": names,
        "old": old,
        "new": new,
        "same_key": same_key,
        "key": sql.SQL(", ").join(sql.Identifier(k) for k in table.key),
        "first_key": sql.Identifier(table.key[0]),
        "changes": changes,
        "updates": updates,
    }
    texts = (_CREATE_STAGE, _COPY_TO_STAGE, _MERGE, _UPDATE, _COPY_TO_TABLE)
    return _Statements(*(sql.SQL(text).format(**parts).as_string() for text in texts))


def _text(rows: Sequence[Row]) -> str:
    lines = [
        f"{position}\t{values}" if isinstance(values, str) else line((position, *values)) for position, values in rows
    ]
    return "\n".join(lines) + "\n"


def upsert(conn: Connection, table: Table, rows: Sequence[Row], *, known: bool = False) -> None:
    """Write `(position, values)` rows through a stage. Only new or different rows are touched; older positions never
    win.

    `known`: all of them most likely stand in the table already and differ. They are then updated first, which is
    cheaper than an insert that finds each of them in its way; where that did not change every one, the ordinary way
    follows.
    """
    if not rows:
        return
    said = _statements(table)
    with conn.cursor() as cursor:
        cursor.execute(said.create)
        with cursor.copy(said.stage) as copy:
            copy.write(_text(rows))
        if known:
            with conn.pipeline():
                conn.execute(BY_PLACE)  # a stage has no statistics at all
                cursor.execute(said.update)
            if cursor.rowcount == len(rows):
                return
        cursor.execute(said.merge)


def insert(conn: Connection, table: Table, rows: Sequence[Row]) -> bool:
    """Write rows that are most likely new straight into the table, inside an open transaction; False, and nothing
    written, where one is not. After a few such disappointments a table is not tried again by this process."""
    if _disappointed.get(table.name, 0) >= MAX_DISAPPOINTMENTS:
        return False
    try:
        with conn.transaction(), conn.cursor() as cursor, cursor.copy(_statements(table).insert) as copy:
            copy.write(_text(rows))
    except psycopg.OperationalError:
        raise
    except psycopg.Error:  # the ordinary way says what it is, if it is anything
        _disappointed[table.name] = _disappointed.get(table.name, 0) + 1
        return False
    return True


def deliver(conn: Connection, taken: Claim, table: Table, mapper: Mapper, *, max_batches: int = 1 << 30) -> int:
    """Deliver the lane batch by batch; answers how many messages were passed. Raises Fenced when the lane or the gate
    is lost.

    A batch that the table refuses is halved until the message that it refuses is alone; that one becomes a dead letter.
    Where several owners have ended, the next batch is quarantined, message by message, and the lane goes on.
    """
    position, passed, limits = taken.position, 0, taken.limits
    size, suspect = limits.batch_at_pace, taken.poison_suspect
    for _ in range(max_batches):
        messages = read_next(conn, taken, position, size, raw=mapper.reads_raw)
        if not messages:
            break
        last = len(messages) < size and limits.pace is None
        try:
            _apply(conn, taken, table, mapper, messages, poison_suspects(messages, taken) if suspect else [], last=last)
        except REFUSED_BY_TABLE as error:
            if len(messages) > 1:
                size = max(1, len(messages) // 2)
                continue
            refused = QuarantineEntry(messages[0].position, messages[0].key, "dead", "refused", refusal(error))
            _apply(conn, taken, table, mapper, messages, [refused])
        position, passed, suspect = messages[-1].position, passed + len(messages), False
        if last:
            return passed
        size = min(limits.batch_at_pace, size * 2)
        if limits.pace is not None:
            release(conn, taken, wait=len(messages) / limits.pace)
            return passed
    release(conn, taken)
    return passed


def refusal(error: psycopg.Error) -> str:
    """What the table says of a row that it refuses."""
    return (error.diag.message_primary or str(error)).strip()


def _apply(
    conn: Connection,
    taken: Claim,
    table: Table,
    mapper: Mapper,
    messages: list[LoggedMessage],
    first_entries: list[QuarantineEntry],
    *,
    last: bool = False,
) -> None:
    """One batch; with the `last` one the lane is released in the same commit.

    The step comes first: it takes the row lock, so a worker that lost the lane learns at once.
    """
    taken_out = {entry.position for entry in first_entries}
    held = quarantined_keys(conn, taken, messages) | {entry.key for entry in first_entries}
    go, waiting = split_blocked(messages, held)
    if taken.spans is not None:
        for message in go:
            taken.spans.begin(message.position, message.correlation, message.traceparent)
    mapped, refused, skipped = mapper.many(go)
    rows = {message.key: (message.position, values) for message, values in mapped}  # the last one of a key wins
    entries = [*first_entries, *refused, *blocked_by_earlier(m for m in waiting if m.position not in taken_out)]
    dead = sum(entry.state == "dead" for entry in entries)
    counts = len(rows), len(mapped) - len(rows), len(skipped), dead, len(entries) - dead
    evidence = DeliveryEvidence(messages[0].position, messages[-1].position, "applied", *counts)
    if len(rows) < len(messages):
        groups = {
            CONFIRMED: [position for position, _ in rows.values()],
            SKIPPED: skipped,
            QUARANTINED: [entry.position for entry in entries],
        }
        evidence.outcomes = outcomes_by_position(evidence.first, evidence.last, groups, rest=SUPERSEDED)
    hit("database.before_transaction")
    with conn.short_transaction():
        step(conn, taken, messages[-1].position, evidence=evidence)
        hit("database.after_step")
        values = list(rows.values())
        fresh = len(values) >= BULK and not taken.is_replay and not any(message.previous for message in messages)
        if not (fresh and insert(conn, table, values)):
            known = len(values) >= BULK and not taken.is_replay and all(message.previous > 0 for message in messages)
            upsert(conn, table, values, known=known)
        quarantine(conn, taken, entries)
        with conn.committing_pipeline():
            if last:
                release(conn, taken)
            hit("database.before_commit")
    measures.count_batch(conn, taken, evidence)
    hit("database.after_commit")


__all__ = ["Fenced", "Table", "deliver", "upsert"]
