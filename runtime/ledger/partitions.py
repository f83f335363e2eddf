"""Monthly partitions of the message log: made ahead of time, dropped when nothing needs them any more."""

from __future__ import annotations

from datetime import UTC, date, datetime

from psycopg import sql

from runtime.ledger import sql as statements
from runtime.ledger.connections import Connection

AHEAD = 2
_NEEDED = statements.read("partition_needed", part="{part}")


def _month(moment: datetime, offset: int) -> date:
    index = moment.year * 12 + moment.month - 1 + offset
    return date(index // 12, index % 12 + 1, 1)


def ensure(conn: Connection, *, at: datetime | None = None) -> list[str]:
    """Make the partitions of this month and the next ones. Answers the names of new ones.

    A month whose rows already stand in the default partition stays there: moving them would hold up intake.
    """
    moment, made = at or datetime.now(UTC), []
    for offset in range(AHEAD + 1):
        first, following = _month(moment, offset), _month(moment, offset + 1)
        name = f"runtime_message_{first:%Y%m}"
        if conn.execute("select to_regclass(%s) is not null", (name,)).fetchone() == (True,):
            continue
        held = conn.execute(
            "select exists (select from only runtime_message_default where received_at >= %s and received_at < %s)",
            (first, following),
        ).fetchone()
        if held == (True,):
            continue
        with conn.transaction():
            conn.execute("select pg_advisory_xact_lock(hashtext('runtime_message partitions'))")
            conn.execute(
                sql.SQL(
                    "create table if not exists {} partition of runtime_message for values from ({}) to ({})"
                ).format(sql.Identifier(name), sql.Literal(first.isoformat()), sql.Literal(following.isoformat()))
            )
        made.append(name)
    return made


def droppable(conn: Connection, *, before: date) -> list[str]:
    """Partitions that end on or before `before` and that no subscription, quarantined message or replay still needs."""
    names = []
    for (name,) in conn.execute(
        """
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'runtime_message'::regclass
    and c.relname ~ '^runtime_message_[0-9]{6}$'
order by 1"""
    ).fetchall():
        month = date(int(name[-6:-2]), int(name[-2:]), 1)
        if _month(datetime(month.year, month.month, 1, tzinfo=UTC), 1) > before:
            break
        needed = conn.execute(sql.SQL(_NEEDED).format(part=sql.Identifier(name))).fetchone()
        if needed == (True,):
            break
        names.append(name)
    return names


def drop(conn: Connection, *, before: date) -> list[str]:
    """Drop what is droppable, oldest first. Heads stay, so deduplication goes on; a key's history ends where its
    partition is gone."""
    names = droppable(conn, before=before)
    for name in names:
        conn.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
    return names
