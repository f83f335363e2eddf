"""Source polling: source connector → checks → log. The source cursor moves in the commit that stores what was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import dict_row

from kernel import tracing
from kernel.postgresql import errors as database_errors
from runtime.connectors.protocols import CallError, ConnectionFault
from runtime.domain import connection_faults
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest
from runtime.ledger import measures, sql
from runtime.ledger.append import Fenced
from runtime.ledger.clock_steps import watch
from runtime.ledger.connections import Connection
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.streams import load_stream
from runtime.services import runs, system_connections
from runtime.services.dating import items_of
from runtime.services.record_checks import RecordChecks
from runtime.services.wakeups import shards_of, wake
from runtime.worker.source_reader import NotNow, RunState, SourceLease, SourceReader

# A source is claimed for its run under the same gate as deliveries: at least one target of the stream may take work.
_CLAIM = """
with c as materialized (
       select q.id, u.id as run_id, d.release_id, r.manifest,
              case when u.start_cursor is null then q.cursor else u.start_cursor -> q.name end as start, u.read,
              coalesce(u.tally -> q.name, '{}'::jsonb) as tally, u.limit_waived,
              coalesce(u.warnings, '[]'::jsonb) as warnings, st.environment
         from runtime_run u
         join runtime_source q on q.stream_id = u.stream_id and q.name = u.source
         join runtime_stream st on st.id = u.stream_id
         join runtime_deployment d on d.integration_id = u.integration_id and d.environment = st.environment
                                  and d.active
         join runtime_release r on r.id = d.release_id
        where u.state = 'running' and u.kind = 'collect'
          and (q.owner = ''
               or q.session is null
               or {lease_is_over}
               or not exists (select from pg_stat_get_activity(q.session)))
          and q.not_before <= clock_timestamp()
          and r.tier = any(%(tiers)s)
          and (%(stream)s::int is null or st.id = %(stream)s)
          and exists (select
                        from runtime_permitted p
                        join runtime_subscription s on s.id = p.subscription_id
                       where s.stream_id = st.id and s.replay_of_id is null and p.deployment_id = d.id)
        order by r.tier, q.lease_until, q.id
        limit 1
          for update of q skip locked)
update runtime_source t
   set token = t.token + 1, owner = %(me)s, session = pg_backend_pid(), wait_reason = '',
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c
 where t.id = c.id
returning t.stream_id as stream, t.id as place, t.name as source, t.token, t.cursor, c.environment, c.run_id as run,
       c.release_id as release, c.manifest, c.start, c.read, c.tally, c.limit_waived as waived, c.warnings"""
_CLAIM = _CLAIM.replace("{lease_is_over}", sql.lease_is_over("q.lease_until"))
# A run keeps where its source stood when it began: there the next run begins if too many records are rejected.
_BEGIN = """
update runtime_run
   set start_cursor = jsonb_strip_nulls(jsonb_build_object(%s::text, %s::jsonb))
 where id = %s and start_cursor is null"""
_MINE = """
select
  from runtime_source
 where id = %s and token = %s"""
_RELEASE = """
update runtime_source
   set lease_until = clock_timestamp(), owner = '', session = null
 where id = %s and token = %s"""
_RELEASE_AT_END = """
update runtime_source
   set lease_until = clock_timestamp(), owner = '', session = null,
       read_at = greatest(read_at, %s)
 where id = %s and token = %s"""
_RELEASE_UNTIL = """
update runtime_source
   set lease_until = clock_timestamp(), owner = '', session = null, wait_reason = %s,
       not_before = clock_timestamp() + make_interval(secs => %s)
 where id = %s and token = %s"""


@dataclass(slots=True)
class PollClaim:
    """The right to read one source of a stream, for one run. `place` is its row; `start` is the cursor with which the
    run began, `read` and `tally` what it has read and rejected so far, `waived` that its limit of rejected records does
    not count."""

    stream: int
    place: int
    source: str
    token: int
    cursor: Any
    environment: str
    run: int
    release: int
    manifest: Manifest
    start: Any = None
    read: int = 0
    tally: dict[str, int] = field(default_factory=dict)
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
    """Claim a run whose source no worker is reading now and did not ask to be left alone, of the lowest tier first; a
    run that a dead worker left behind is one of them."""
    with conn.cursor(row_factory=dict_row) as cursor:
        given = {"me": owner, "lease": lease, "tiers": list(tiers), "stream": stream, "clock": watch.latest()}
        row = cursor.execute(_CLAIM, given).fetchone()
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
    """Read the source of the run to its end; returns the number of records. Raises Fenced when the claim was lost.

    When `stop` answers True the work ends after the current group; the next claim continues the run. `beat` is called
    before every page.
    """
    polling, outcome = _Polling(conn, taken, stop, beat, clock), "failed"
    values = {"tillgate.integration": taken.manifest.integration, "tillgate.environment": taken.environment}
    try:
        with tracing.span("collect", {**values, "tillgate.run": taken.run}):
            polling.read()
        outcome = "read"
    except NotNow as error:
        outcome = "asked_to_wait"
        conn.execute(_RELEASE_UNTIL, (str(error)[:500].replace("\0", "?"), error.seconds, taken.place, taken.token))
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
        self.lease = SourceLease(conn, taken.place, taken.token, taken.lease, beat, clock)
        # Without a tally nothing was rejected before another worker took over.
        read, rejected = taken.tally.get("read", taken.read), taken.tally.get("rejected", 0)
        self.state = RunState(taken.run, taken.release, taken.cursor, taken.start, read, rejected, taken.waived)
        self.state.warnings += taken.warnings
        self.total = 0
        self.source = next((one for one in taken.manifest.sources if one.name == taken.source), None)

    def read(self) -> None:
        conn, taken, source = self.conn, self.taken, self.source
        if source is None or source.connection is None:
            self.fail(f"The deployed release has no source {taken.source} that can be read.")
            return
        start = None if taken.start is None else json.dumps(taken.start)
        conn.execute(_BEGIN, (taken.source, start, taken.run))
        opened, secrets = system_connections.open_source_or_fault(
            source.connection, system=source.system, environment=taken.environment, release=taken.release
        )
        try:
            checks, dated = RecordChecks(taken.manifest, source), items_of(taken.manifest, source)
            stream = load_stream(conn, taken.stream)
            reader = SourceReader(self.lease, stream, source, opened, self.state, checks, dated)
            for count in reader.groups(secrets):
                self.total += count
                wake(taken.manifest.tier, shards_of(conn, taken.stream))
                if self.stop() or not _still_wanted(conn, taken.run):
                    conn.execute(_RELEASE, (taken.place, taken.token))
                    return
        finally:
            opened.close()
        said = _waiting(reader) if reader.aside else _too_many(reader) if reader.over else ""
        if said or reader.trouble:
            self.fail(" ".join(one for one in (said, reader.trouble) if one))
            return
        runs.finish(taken.run)  # before the source is free: else another collector would take up the run that ends here
        conn.execute(_RELEASE_AT_END, (reader.looked_at, taken.place, taken.token))

    def fail_connection(self, error: ConnectionFault) -> None:
        """The run ends with what is wrong with the connection of the source that it was reading."""
        system = self.source.system if self.source is not None else ""
        where = system_connections.place(system, self.taken.environment)
        said = connection_faults.run_error(error.kind, error.message, where)
        self._end(error=said, fault=error.kind, system=system)

    def fail(self, error: str) -> None:
        self._end(error=error)

    def _end(self, **how: str) -> None:
        """The run ends as failed, and then the source is free. Where another collector has the source by now, the run
        is his."""
        mine = self.conn.execute(_MINE, (self.taken.place, self.taken.token)).fetchone()
        if mine is None:
            self.conn.execute("update runtime_run set fences = fences + 1 where id = %s", (self.taken.run,))
            return
        runs.finish(self.taken.run, **how)
        self.conn.execute(_RELEASE, (self.taken.place, self.taken.token))


def _too_many(reader: SourceReader) -> str:
    limit = reader.source.rejected_limit
    return (
        f"{reader.rejected:,} of {reader.read:,} records of {reader.source.name} were rejected, more than the limit of "
        f"{limit.share * 100:g} %. The cursor stays where this run began. Correct the contract or the source and run "
        f"again; start with the limit waived if the rejected records are really not wanted. "
        f"First reason: {reader.first_reason}"
    )


def _waiting(reader: SourceReader) -> str:
    more = f" ({len(reader.aside)} files wait)" if len(reader.aside) > 1 else ""
    return (
        f"{reader.aside[0]}. That is more than the limit of {reader.source.rejected_limit.share * 100:g} % of "
        f"{reader.source.name}, so the file waits in the folder 'waiting'{more}, and the others were read. Each run "
        f"reads it again: correct the contract or have it sent anew; start with the limit waived if the rejected "
        f"records are really not wanted."
    )


def _still_wanted(conn: Connection, run: int) -> bool:
    row = conn.execute("select state = 'running' from runtime_run where id = %s", (run,)).fetchone()
    return bool(row and row[0])
