"""A database that went back: by a failover to a standby that lagged, by a restore, by a dump of earlier.

What was appended after that moment is gone, and its positions are given again. Keys are made of positions, so a new
*epoch* begins: another random salt from the next position of every lane on. And what these rows take for undelivered
may have been delivered, so everything is asked about before it is sent (*recovery mode*).

Every new connection of the ledger compares before its first statement. No append and no claim can come before it, as
no connection outlives the server that it was made to; a standby, which could be promoted under its connections, is
refused.
"""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from runtime.domain.vendor_times import DEFAULT_DEADLINE, DEFAULT_SETTLE
from runtime.ledger import sql
from runtime.ledger.leases import CALL_MARGIN, LEASE_SECONDS, MOST_CALLS

log = logging.getLogger(__name__)
WINDOW_HOURS = float(os.environ.get("TILLGATE_RECOVERY_HOURS") or "24")
ENDLESS = (1 << 63) - 1  # `ask_until` while the window is open

_Connection = psycopg.Connection[tuple[Any, ...]]
_IDENTITY, _IDENTITY_PART = sql.read("database_identity"), sql.read("database_identity_part")
CALLS_OF_BEFORE = sql.read(
    "calls_of_before",
    lease=str(LEASE_SECONDS),
    margin=str(CALL_MARGIN),
    calls=str(MOST_CALLS),
    default_deadline=str(DEFAULT_DEADLINE),
    default_settle=str(DEFAULT_SETTLE),
)
_OPEN_EPOCHS, _ASK = sql.read("open_key_epochs"), sql.read("ask_in_recovery", calls_of_before=CALLS_OF_BEFORE)
_END_WINDOW = sql.read("end_recovery_window")
_NOT_OFFERED = (
    errors.InsufficientPrivilege,
    errors.UndefinedFunction,
    errors.FeatureNotSupported,
    errors.ObjectNotInPrerequisiteState,
)
_ADOPT = """
insert into runtime_database (id, cluster, database, timeline) values (1, %s, %s, %s)
on conflict (id) do update
set cluster = excluded.cluster, database = excluded.database, timeline = excluded.timeline, seen_at = clock_timestamp()
"""
_RECORD = """
insert into runtime_rewind (reason, before, after, note, window_until)
values (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
returning id"""
_COUNT = """
update runtime_rewind
set lanes = (select count(*)
               from runtime_progress p
               join runtime_subscription s on s.id = p.subscription_id
              where s.open and s.kind = 'vendor' and s.replay_of_id is null)
where id = %s
returning lanes"""
# A target that is made now must not get the number of a lost one, which is in the keys of that one's messages.
_SKIP_NUMBERS = """
select setval(pg_get_serial_sequence('runtime_subscription', 'id'),
              nextval(pg_get_serial_sequence('runtime_subscription', 'id')) + 1000)"""
_WINDOW_ENDED = """
update runtime_rewind
set window_ended_at = clock_timestamp()
where id = %s and window_ended_at is null"""
_AT_WORK = """
select (select count(*)
          from runtime_progress
         where owner is not null and lease_until > clock_timestamp()
           and exists (select from pg_stat_get_activity(session)))
     + (select count(*) from runtime_quarantine where lease_until > clock_timestamp())"""


class NotUsable(psycopg.OperationalError):
    """This server or database cannot be used now; another try later may succeed."""


class StillWorking(Exception):
    """Workers hold lanes, under the keys of before."""


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Which database this is. None: the server does not say."""

    cluster: str | None
    database: int
    timeline: int | None

    def __str__(self) -> str:
        return f"cluster {self.cluster or '?'}, database {self.database}, timeline {self.timeline or '?'}"

    @property
    def tells_all(self) -> bool:
        """Whether a failover and a restore to a moment can be noticed here."""
        return self.cluster is not None and self.timeline is not None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The database now, and as it was at the last comparison; None at the first one."""

    now: DatabasePlace
    before: DatabasePlace | None

    @property
    def reason(self) -> str | None:
        """Why this is not the database of before; None where it is, as far as the server says."""
        before, now = self.before, self.now
        if before is None:
            return None
        if None not in (before.cluster, now.cluster) and before.cluster != now.cluster:
            return "cluster"
        if before.database != now.database:
            return "database"
        if None not in (before.timeline, now.timeline) and before.timeline != now.timeline:
            return "timeline"
        return None

    @property
    def must_be_stored(self) -> bool:
        """At the first comparison, and where the server says more than before."""
        before, now = self.before, self.now
        return (
            before is None
            or (before.cluster is None and now.cluster is not None)
            or (before.timeline is None and now.timeline is not None)
        )


def compare(conn: _Connection) -> Comparison:
    """Raises NotUsable for a standby, and for a database that is not migrated yet."""
    try:
        row = _identity(conn)
    except errors.UndefinedTable:
        raise NotUsable("the database is not migrated yet") from None
    if row["standby"]:
        raise NotUsable("the database server is a standby; the ledger needs the primary")
    now = DatabasePlace(row["cluster"], row["database"], row["timeline"])
    if not row["known"]:
        return Comparison(now, None)
    return Comparison(now, DatabasePlace(row["cluster_before"], row["database_before"], row["timeline_before"]))


def _identity(conn: _Connection) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        try:
            with conn.transaction():
                row = cursor.execute(_IDENTITY, prepare=False).fetchone()
        except _NOT_OFFERED:
            row = cursor.execute(_IDENTITY_PART, prepare=False).fetchone()
    assert row
    return row


def notice(conn: _Connection) -> int | None:
    """Compare, and where the database went back, begin a new epoch and recovery. Answers the number of the rewind.

    What comes first does it for all: the others wait at the row and find it done.
    """
    found = compare(conn)
    if found.reason is None and not found.must_be_stored:
        return None
    with conn.transaction():
        _lock(conn)
        found = compare(conn)
        if found.reason is None:
            if found.must_be_stored:
                _adopt(conn, found.now)
            return None
        return _begin(conn, found, found.reason, "", WINDOW_HOURS)


def state_restored(conn: _Connection, *, note: str, hours: float = WINDOW_HOURS) -> int:
    """A person says that this database was restored: the same as if it had been noticed. Answers its number.

    Raises StillWorking while a worker holds a lane: it would go on under the keys of before.
    """
    with conn.transaction():
        _lock(conn)
        # No claim begins meanwhile: it would carry the keys of before.
        conn.execute("lock table runtime_progress, runtime_quarantine in exclusive mode")
        row = conn.execute(_AT_WORK).fetchone()
        if row and row[0]:
            raise StillWorking(f"{row[0]} lanes or messages are held by workers")
        return _begin(conn, compare(conn), "stated", note, hours)


def _lock(conn: _Connection) -> None:
    """One at a time, and nobody appends meanwhile. Raises LockNotAvailable, an OperationalError, after ten seconds."""
    conn.execute("set local lock_timeout = '10s'")
    conn.execute(ONE_AT_A_TIME)
    conn.execute("select from runtime_lane order by stream_id, lane for update")


ONE_AT_A_TIME = "lock table runtime_database in share row exclusive mode"
"""The row to lock may not exist yet. Nobody else writes to this table, and who may only read cannot hold this lock."""


def _adopt(conn: _Connection, now: DatabasePlace) -> None:
    conn.execute(_ADOPT, (now.cluster, now.database, now.timeline))


def _begin(conn: _Connection, found: Comparison, reason: str, note: str, hours: float) -> int:
    before = str(found.before) if found.before else ""
    row = conn.execute(_RECORD, (reason, before, str(found.now), note, hours * 3600)).fetchone()
    assert row
    rewind = int(row[0])
    conn.execute(_OPEN_EPOCHS, {"salt": secrets.randbits(63), "rewind": rewind})
    conn.execute(_ASK, {"endless": ENDLESS})
    counted = conn.execute(_COUNT, (rewind,)).fetchone()
    if hours <= 0:  # nothing that was acknowledged can be lost here: what comes is new
        conn.execute(_WINDOW_ENDED, (rewind,))
        conn.execute(_END_WINDOW, {"endless": ENDLESS})
    conn.execute(_SKIP_NUMBERS)
    _adopt(conn, found.now)
    log.critical(
        "the database went back (%s): it was %s, it is %s; new keys from now on, and %s lanes ask before they send",
        *(reason, before or "not known", found.now, counted[0] if counted else 0),
    )
    return rewind


def end_window(conn: _Connection, rewind: int) -> bool:
    """What comes from now on is new. Answers False where the window had ended before."""
    with conn.transaction():
        _lock(conn)
        ended = conn.execute(_WINDOW_ENDED, (rewind,))
        if ended.rowcount != 1:
            return False
        others = conn.execute("select exists (select from runtime_rewind where window_ended_at is null)").fetchone()
        if not others or not others[0]:
            conn.execute(_END_WINDOW, {"endless": ENDLESS})
        return True
