"""The ground that the flows stand on, for Prometheus: workers, partitions, database, replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernel import clock
from kernel.measures import Found, reading
from runtime.selectors import infrastructure
from runtime.selectors.sql_rows import row, rows

WORKERS = reading(
    "workers",
    "Worker processes by kind and state: alive, draining, or silent for 30 seconds and not known to be gone.",
    ["kind", "state"],
)
MISSING = reading(
    "workers_missing", "Workers fewer than the setting EXPECTED_WORKERS says, by kind; absent without it.", ["kind"]
)
BEAT = reading("worker_last_beat_age_seconds", "Time since the newest sign of life of a worker.", ["kind"])
PARTITIONS = reading("log_partitions_ahead", "Months after this one for which the log has a partition.")
DEFAULT_PARTITION = reading(
    "log_default_partition_bytes", "Size of the partition that takes messages of months without one: near zero."
)
LOG_SIZE = reading("log_size_bytes", "Size of the message log on disk, with indexes.")
DATABASE_SIZE = reading("database_size_bytes", "Size of the database on disk.")
SESSIONS = reading("database_sessions", "Sessions at the database server, by what they do.", ["state"])
SESSION_LIMIT = reading("database_sessions_limit", "Sessions that the database server allows.")
TRANSACTION_AGE = reading("database_oldest_transaction_age_seconds", "Age of the oldest open transaction.")
REPLICAS = reading("database_replicas", "Standbys that are connected to this server.")
REPLICA_BYTES = reading(
    "database_replication_lag_bytes", "What the slowest standby has not applied yet; absent where none is seen."
)
REPLICA_SECONDS = reading("database_replication_lag_seconds", "The same in time, as PostgreSQL measures it.")

_PARTITIONS = """
select count(*) filter (where c.relname > 'runtime_message_' || to_char(clock_timestamp() at time zone 'utc', 'YYYYMM')
                          and c.relname ~ '^runtime_message_[0-9]{6}$') as ahead,
       coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint as size,
       coalesce(sum(pg_total_relation_size(c.oid)) filter (where c.relname = 'runtime_message_default'), 0)::bigint
           as in_default
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
 where i.inhparent = 'runtime_message'::regclass"""
_SESSIONS = """
select coalesce(state, 'other') as state, count(*) as count,
       max(extract(epoch from clock_timestamp() - xact_start))::float8 as oldest
  from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid()
 group by 1"""
_DATABASE = """
select pg_database_size(current_database()) as size, current_setting('max_connections')::int as allowed"""
_REPLICAS = """
select count(*) as count, max(extract(epoch from replay_lag))::float8 as seconds,
       max(case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) end)::float8
           as bytes
  from pg_stat_replication"""
_STATES = {
    "active": "active",
    "idle": "idle",
    "idle in transaction": "idle_in_transaction",
    "idle in transaction (aborted)": "idle_in_transaction",
}


def read() -> Iterator[Found]:
    yield from _workers()
    found = row(_PARTITIONS) or {}
    yield Found(PARTITIONS, (), found["ahead"])
    yield Found(LOG_SIZE, (), found["size"])
    yield Found(DEFAULT_PARTITION, (), found["in_default"])
    found = row(_DATABASE) or {}
    yield Found(DATABASE_SIZE, (), found["size"])
    yield Found(SESSION_LIMIT, (), found["allowed"])
    sessions: Counter[str] = Counter()
    oldest = 0.0
    for one in rows(_SESSIONS):
        sessions[_STATES.get(one["state"], "other")] += one["count"]
        oldest = max(oldest, one["oldest"] or 0.0)
    for state, count in sessions.items():
        yield Found(SESSIONS, (state,), count)
    yield Found(TRANSACTION_AGE, (), oldest)
    yield from _replicas()


def _workers() -> Iterator[Found]:
    states: Counter[tuple[str, str]] = Counter()
    newest: dict[str, float] = {}
    found = infrastructure.workers()
    for kind, count in infrastructure.missing(found).items():
        yield Found(MISSING, (kind,), count)
    for worker in found:
        states[worker.kind, worker.state] += 1
        age = max((clock.now() - worker.beat_at).total_seconds(), 0.0)
        newest[worker.kind] = min(newest.get(worker.kind, age), age)
    for (kind, state), count in states.items():
        yield Found(WORKERS, (kind, state), count)
    for kind, age in newest.items():
        yield Found(BEAT, (kind,), age)


def _replicas() -> Iterator[Found]:
    found = row(_REPLICAS) or {}
    yield Found(REPLICAS, (), found["count"])
    if found["bytes"] is not None:
        yield Found(REPLICA_BYTES, (), max(found["bytes"], 0.0))
    if found["seconds"] is not None:
        yield Found(REPLICA_SECONDS, (), found["seconds"])
