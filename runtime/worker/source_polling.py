"""Source polling: source connector → checks → log. The source cursor moves in the commit that stores what was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from kernel.postgresql import errors as database_errors
from runtime.connectors.protocols import CallError, ConnectionFault
from runtime.domain import connection_faults
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.ledger import measures
from runtime.ledger.append import Fenced, StreamRef, load_stream
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.connections import Connection
from runtime.services import runs, system_connections
from runtime.services.dating import items_of
from runtime.services.record_checks import RecordChecks
from runtime.services.wakeups import shards_of, wake
from runtime.worker.source_reader import NotNow, RunState, SourceLease, SourceReader

# A stream is claimed for a run under the same gate as deliveries: at least one target of it may take work.
_CLAIM = """
with c as materialized (
       select q.id, u.id as run_id, d.release_id, r.manifest,
              coalesce(u.start_cursor, q.cursor, '{}'::jsonb) as start, u.read,
              coalesce(u.tally, '{}'::jsonb) as tally, u.limit_waived,
              coalesce(u.warnings, '[]'::jsonb) as warnings
         from runtime_run u
         join runtime_stream q on q.id = u.stream_id
         join runtime_deployment d on d.integration_id = u.integration_id and d.environment = q.environment and d.active
         join runtime_release r on r.id = d.release_id
        where u.state = 'running' and u.kind = 'collect'
          and (q.lease_until < clock_timestamp()
               or (q.owner <> '' and q.session is not null
                   and not exists (select from pg_stat_get_activity(q.session))))
          and q.not_before <= clock_timestamp()
          and r.tier = any(%(tiers)s)
          and (%(stream)s::int is null or q.id = %(stream)s)
          and exists (select
                        from runtime_permitted p
                        join runtime_subscription s on s.id = p.subscription_id
                       where s.stream_id = q.id and s.replay_of_id is null)
        order by r.tier, q.lease_until
        limit 1
          for update of q skip locked)
update runtime_stream t
   set token = t.token + 1, owner = %(me)s, session = pg_backend_pid(), wait_reason = '',
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c
 where t.id = c.id
returning t.id as stream, t.token, t.cursor, t.environment, c.run_id as run, c.release_id as release, c.manifest,
       c.start, c.read, c.tally, c.limit_waived as waived, c.warnings"""
# A run keeps where its source stood when it began: there the next run begins if too many records are rejected.
_BEGIN = "update runtime_run set start_cursor = %s where id = %s and start_cursor is null"
_RELEASE = """
update runtime_stream
   set lease_until = clock_timestamp(), owner = '', session = null
 where id = %s and token = %s"""
_RELEASE_AT_END = """
update runtime_stream
   set lease_until = clock_timestamp(), owner = '', session = null,
       read_at = greatest(read_at, %s)
 where id = %s and token = %s"""
_RELEASE_UNTIL = """
update runtime_stream
   set lease_until = clock_timestamp(), owner = '', session = null, wait_reason = %s,
       not_before = clock_timestamp() + make_interval(secs => %s)
 where id = %s and token = %s"""


@dataclass(slots=True)
class PollClaim:
    """The right to read the sources of one stream, for one run. `start` is the cursor with which the run began, `read`
    and `tally` what it has read and rejected so far, `waived` that its limit of rejected records does not count."""

    stream: int
    token: int
    cursor: dict[str, Any] | None
    environment: str
    run: int
    release: int
    manifest: Manifest
    start: dict[str, Any] = field(default_factory=dict)
    read: int = 0
    tally: dict[str, Any] = field(default_factory=dict)
    waived: bool = False
    warnings: list[str] = field(default_factory=list)
    lease: float = LEASE_SECONDS


def claim(
    conn: Connection,
    *,
    owner: str,
    tiers: Sequence[int] = (0, 1, 2, 3),
    stream: int | None = None,
    lease: float = LEASE_SECONDS,
) -> PollClaim | None:
    """Claim a run whose source no worker is reading now and that did not ask to be left alone, of the lowest tier
    first; a run that a dead worker left behind is one of them."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CLAIM, {"me": owner, "lease": lease, "tiers": list(tiers), "stream": stream}).fetchone()
    if row is None:
        return None
    row["manifest"] = manifests.load(row["manifest"])
    return PollClaim(**row, lease=lease)


def collect(
    conn: Connection,
    taken: PollClaim,
    *,
    stop: Callable[[], bool] = lambda: False,
    beat: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Read every source of the run to its end; returns the number of records. Raises Fenced when the claim was lost.

    When `stop` answers True the work ends after the current group; the next claim continues the run. `beat` is called
    before every page.
    """
    polling, outcome = _Polling(conn, taken, stop, beat, clock), "failed"
    try:
        polling.read_all()
        outcome = "read"
    except NotNow as error:
        outcome = "asked_to_wait"
        conn.execute(_RELEASE_UNTIL, (str(error)[:500].replace("\0", "?"), error.seconds, taken.stream, taken.token))
    except ConnectionFault as error:
        outcome = "fault"
        polling.fail_connection(error)
    except CallError as error:
        polling.fail(f"The source did not answer: {error}")
    except Fenced:
        outcome = "lost"
        conn.execute("update runtime_run set fences = fences + 1 where id = %s", (taken.run,))
        raise  # the run stays open; the next claim continues it
    except Exception as error:
        if database_errors.unavailable(error):
            raise  # as above
        polling.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        measures.READ.labels(taken.environment, taken.manifest.integration, outcome).inc()
    return polling.total


class _Polling:
    """One claim at work."""

    def __init__(
        self,
        conn: Connection,
        taken: PollClaim,
        stop: Callable[[], bool],
        beat: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.conn, self.taken, self.stop = conn, taken, stop
        self.lease = SourceLease(conn, taken.stream, taken.token, taken.lease, beat, clock)
        self.state = RunState(
            taken.run, taken.release, dict(taken.cursor or {}), taken.start, taken.tally, taken.waived
        )
        self.state.warnings += taken.warnings
        if len(taken.manifest.sources) == 1 and not taken.tally:  # nothing was rejected before another worker took over
            self.state.tally = {taken.manifest.sources[0].name: {"read": taken.read, "rejected": 0}}
        self.total = 0
        self.over: SourceReader | None = None
        self.looked_at: list[datetime] = []
        self.system = ""

    def read_all(self) -> None:
        conn, taken = self.conn, self.taken
        conn.execute(_BEGIN, (json.dumps(taken.start), taken.run))
        stream = load_stream(conn, taken.stream)
        for source in taken.manifest.sources:
            if source.connection is not None and not self._read(stream, source):
                conn.execute(_RELEASE, (taken.stream, taken.token))
                return
        if self.over is not None:
            self.fail(_too_many(self.over))
            return
        conn.execute(_RELEASE_AT_END, (min(self.looked_at, default=None), taken.stream, taken.token))
        runs.finish(taken.run)

    def _read(self, stream: StreamRef, source: ManifestSource) -> bool:
        """Read one source; False when the work ends here and somebody else goes on."""
        assert source.connection is not None
        taken, self.system = self.taken, source.system
        opened, secrets = system_connections.open_source_or_fault(
            source.connection, system=source.system, environment=taken.environment
        )
        try:
            checks, dated = RecordChecks(taken.manifest, source), items_of(taken.manifest, source)
            reader = SourceReader(self.lease, stream, source, opened, self.state, checks, dated)
            for count in reader.groups(secrets):
                self.total += count
                wake(taken.manifest.tier, shards_of(self.conn, taken.stream))
                if self.stop() or not _still_wanted(self.conn, taken.run):
                    return False
        finally:
            opened.close()
        if reader.over:
            self.over = reader
        if reader.looked_at is not None:
            self.looked_at.append(reader.looked_at)
        return True

    def fail_connection(self, error: ConnectionFault) -> None:
        """The run ends with what is wrong with the connection of the source that it was reading."""
        place, system = self.taken.environment, self.system
        where = system_connections.place(system, place)
        self.conn.execute(_RELEASE, (self.taken.stream, self.taken.token))
        said = connection_faults.run_error(error.kind, error.message, where)
        runs.finish(self.taken.run, error=said, fault=error.kind, system=system)

    def fail(self, error: str) -> None:
        self.conn.execute(_RELEASE, (self.taken.stream, self.taken.token))
        runs.finish(self.taken.run, error=error)


def _too_many(reader: SourceReader) -> str:
    limit = reader.source.rejected_limit
    return (
        f"{reader.rejected:,} of {reader.read:,} records of {reader.source.name} were rejected, more than the limit of "
        f"{limit.share * 100:g} %. The cursor stays where this run began. Correct the contract or the source and run "
        f"again; start with the limit waived if the rejected records are really not wanted. "
        f"First reason: {reader.first_reason}"
    )


def _still_wanted(conn: Connection, run: int) -> bool:
    row = conn.execute("select state = 'running' from runtime_run where id = %s", (run,)).fetchone()
    return bool(row and row[0])
