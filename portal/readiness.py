"""Whether this process can do its work now: asked by balancers, so it answers in time whatever hangs, and by a thread
that nobody else can occupy."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from kernel.postgresql import errors, lock_holders
from runtime.ledger import connections, pool
from runtime.selectors import recovery
from runtime.services import log_partitions

log = logging.getLogger(__name__)
FRESH_SECONDS = 1.0  # an answer is given again for so long: many probes cost one look
WAIT_SECONDS = 3.0  # for a look; then the answer is no
MIGRATED_SECONDS = 60.0
LOCK_MILLISECONDS = 100  # for a look at a table that no call needs
Found = dict[str, str]
_WAITING = """
select count(*)
  from pg_locks l
 where l.locktype = 'relation'
   and l.database = (select d.oid from pg_database d where d.datname = current_database())
   and l.relation = 'kernel_ledgerturn'::regclass
   and not l.granted
   and l.waitstart < clock_timestamp() - interval '1 s'"""
_ROOM = """
create temp table tillgate_room on commit drop as
select repeat(md5(i::text), 200)
from generate_series(1, 400) i"""


class Look:
    """Looks, with a session of its own that is kept: where the server has no free one, those that are open still work.
    For one thread at a time."""

    def __init__(self, warmed: Callable[[], bool] = lambda: True) -> None:
        self._warmed = warmed
        self._conn: connections.Connection | None = None
        self._migrated_until = 0.0
        self._seen: Found = {}
        self._said = ""

    def __call__(self) -> Found:
        """What works now, each part `ok` or what is wrong with it. The way of the intake is used: its kind of session,
        which is writable, of the database of before, and not shared by a pooler."""
        found = {
            "database": "ok",
            "migrations": "ok",
            "intake": "ok",
            "redis": "ok",
            "failover": "noticed",
            "partitions": "ok",
            "ledger": "ok",
        }
        try:
            self._see_the_session(found)
            self._see_the_schema(found)
        except Exception as error:  # any failure means "not ready", and the probe wants the reason
            self.close()
            said = errors.first_line(error)
            if said != self._said:
                log.warning("not ready: %s", said)
            self._said = said
            found["database"] = f"unavailable: {errors.reason(error)[1]}"  # anybody may ask: no address, no name
            found["intake"] = "unavailable"
        if good(found) and not self._warmed():
            found["start"] = "loading what the first callers need"
        return found | _redis()

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        errors.close_connections()

    def _see_the_session(self, found: Found) -> None:
        try:
            writable = self._writable()
        except psycopg.Error:
            if self._conn is None:
                raise
            self.close()
            writable = self._writable()
        if not writable:
            self.close()
            found["database"], found["intake"] = "read-only", "unavailable"
        elif pool.health.failing and self._conn is not None:
            with self._conn.transaction(force_rollback=True):  # the last one could not be stored: is there room again?
                self._conn.execute("set local temp_tablespaces = ''")
                self._conn.execute(_ROOM)
            pool.hold_one()  # the next call needs a session of its own kind, which others may have taken
            pool.health.passed()

    def _writable(self) -> bool:
        if self._conn is None:
            self._conn = connections.connect(name="tillgate-ready", role="probe")
        row = self._conn.execute("show transaction_read_only").fetchone()
        return bool(row and row[0] == "off")

    def _see_the_schema(self, found: Found) -> None:
        """No call needs these tables, so who keeps one of them locked makes nobody wait: what was seen last stands."""
        looks = {"migrations": self._migrations, "failover": _failover, "partitions": _partitions, "ledger": _ledger}
        for name, look in looks.items():
            if found["migrations"] != "ok":
                return
            try:
                self._seen[name] = _without_waiting(look)
            except Exception as error:
                if not errors.busy(error):
                    raise
            found[name] = self._seen.get(name, "not known yet: others keep locked what says so")

    def _migrations(self) -> str:
        """Reading all files of migrations costs a tenth of a second; what was applied stays so for a minute."""
        if time.monotonic() >= self._migrated_until:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "pending"
            self._migrated_until = time.monotonic() + MIGRATED_SECONDS
        return "ok"


def _without_waiting(look: Callable[[], str]) -> str:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"set local lock_timeout = {LOCK_MILLISECONDS}")
        return look()


def _failover() -> str:
    if recovery.notices_failover():
        return "noticed"
    return "not noticed: run `manage.py ledger_restored` after each failover or restore"


def _partitions() -> str:
    return log_partitions.lacking() or "ok"


def _ledger() -> str:
    """Whether who has something to tell waits for somebody else's transaction. Who that is says the log."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        waiting = cursor.fetchone()[0]
        if not waiting:
            return "ok"
        holders = lock_holders.holders(_executed, ["kernel_ledgerturn"], seconds=1)
    log.warning("%s wait to write into the ledger; in the way: %s", waiting, ", ".join(holders) or "nobody any more")
    return "entries wait for another transaction: nothing that has one can be stored meanwhile"


def _executed(statement: str, given: Any) -> Any:
    cursor = connection.cursor()
    cursor.execute(statement, given)
    return cursor


def _redis() -> Found:
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        return {"redis": f"degraded: {type(error).__name__}"}
    return {}


def good(found: Found) -> bool:
    return all(found.get(name, "ok") == "ok" for name in ("database", "migrations", "intake", "start"))


@dataclass(slots=True)
class Readiness:
    """Looks in a thread of its own, one look at a time. Who asks while one is under way waits for it, but not longer
    than `wait` seconds."""

    look: Callable[[], Found] = field(default_factory=Look)
    wait: float = WAIT_SECONDS
    fresh: float = FRESH_SECONDS
    found: Found = field(default_factory=dict)
    seen_at: float = float("-inf")
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "readiness"))
    _looking: Future[None] | None = None

    async def answer(self) -> tuple[int, bytes]:
        """Status and JSON."""
        asked = time.monotonic()
        since = max(asked - self.fresh, min(asked, pool.health.failed_at))  # what callers were told meanwhile counts
        while self.seen_at < since:
            if self._looking is None or self._looking.done():
                self._looking = self._thread.submit(self._see)
            if time.monotonic() >= asked + self.wait:
                said = f"unavailable: no answer within {self.wait:g} s"
                return said_of({"database": said, "intake": "unavailable"})
            await asyncio.sleep(0.01)
        return said_of(self.found)

    def _see(self) -> None:
        began = time.monotonic()
        self.found = self.look()
        self.seen_at = began


def said_of(found: Found) -> tuple[int, bytes]:
    complete = {"database": "ok", "migrations": "ok", "intake": "ok"} | found
    return 200 if good(complete) else 503, json.dumps(complete).encode()
