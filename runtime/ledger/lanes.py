"""More or fewer lanes for a stream: drain, close for a moment, open again. Positions never go back, so what was written
stays ordered."""

from __future__ import annotations

from runtime.ledger import sql
from runtime.ledger.connections import Connection


class NotDrained(Exception):
    """Something is still under way; try again when it has been delivered. Says what."""


_UNDER_WAY = sql.read("lanes_under_way")
_LOCK_PROGRESS = """
select
from runtime_progress p
join runtime_subscription s on s.id = p.subscription_id
where s.stream_id = %s
for update of p"""
_QUARANTINED = """
select count(*)
from runtime_quarantine q
join runtime_subscription s on s.id = q.subscription_id
where s.stream_id = %s"""
_SET_COUNTERS = """
insert into runtime_lane (stream_id, lane, next)
select %s, n, %s
from generate_series(0, %s - 1) n
on conflict (stream_id, lane) do update
set next = excluded.next"""
_SET_PROGRESS = """
insert into runtime_progress (subscription_id, lane, position, ask_until)
select
    s.id,
    n,
    %s,
    (select max(o.ask_until) from runtime_progress o where o.subscription_id = s.id)
from runtime_subscription s, generate_series(0, %s - 1) n
where s.stream_id = %s and s.open
on conflict (subscription_id, lane) do update
set position = excluded.position"""

# Where the database went back, a new lane has the keys of the newest epoch: what was lost may have had this lane, too.
_SET_EPOCHS = """
insert into runtime_key_epoch (stream_id, lane, from_position, salt, rewind_id)
select e.stream_id, n, %s, e.salt, e.rewind_id
from (
    select *
    from runtime_key_epoch
    where stream_id = %s
    order by rewind_id desc
    limit 1
) e, generate_series(0, %s - 1) n
on conflict do nothing"""


def resize(conn: Connection, stream_id: int, lanes: int) -> int:
    """Give a stream `lanes` lanes; answers the first position of all of them from now on.

    All lanes are locked, so nothing is appended meanwhile. Raises NotDrained while any target still has something to
    take, an open intent, a held lane or a quarantined message: a key moves to another lane only when nothing of it is
    left in the old one. New positions begin after the highest of all lanes, so a target that guards rows by position
    needs no change.
    """
    if not 1 <= lanes <= 255:
        raise ValueError("a stream has 1 to 255 lanes")
    with conn.transaction():
        conn.execute("select from runtime_stream where id = %s for update", (stream_id,))
        counters = conn.execute(
            "select lane, next from runtime_lane where stream_id = %s order by lane for update", (stream_id,)
        ).fetchall()
        if not counters:
            raise LookupError(f"there is no stream {stream_id}")
        conn.execute(_LOCK_PROGRESS, (stream_id,))
        row = conn.execute(_UNDER_WAY, (stream_id,)).fetchone()
        quarantined = conn.execute(_QUARANTINED, (stream_id,)).fetchone()
        waiting, intents, held = row or (0, 0, 0)
        _refuse_undrained(waiting, intents, held, quarantined[0] if quarantined else 0)
        following = max(position for _, position in counters)
        conn.execute("delete from runtime_lane where stream_id = %s and lane >= %s", (stream_id, lanes))
        conn.execute(_SET_COUNTERS, (stream_id, following, lanes))
        conn.execute(_SET_EPOCHS, (following, stream_id, lanes))
        conn.execute("update runtime_stream set lanes = %s where id = %s", (lanes, stream_id))
        _progress(conn, stream_id, lanes, following - 1)
        return following


def _refuse_undrained(waiting: int, intents: int, held: int, quarantined: int) -> None:
    parts = (
        (waiting, "lanes wait"),
        (intents, "calls have no answer"),
        (held, "lanes are held"),
        (quarantined, "messages are in quarantine"),
    )
    if found := [f"{count} {word}" for count, word in parts if count]:
        raise NotDrained(", ".join(found))


def _progress(conn: Connection, stream_id: int, lanes: int, position: int) -> None:
    """Every open target stands at the end of every lane; finished replays keep the lanes they had."""
    conn.execute(
        """delete from runtime_progress p using runtime_subscription s
            where s.id = p.subscription_id and s.stream_id = %s and s.open and p.lane >= %s""",
        (stream_id, lanes),
    )
    conn.execute(_SET_PROGRESS, (position, lanes, stream_id))
