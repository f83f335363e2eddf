"""Source polling: source connector → checks → log. The source cursor moves in the commit that stores what was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from django.db import OperationalError as DjangoOperationalError
from psycopg.rows import dict_row

from runtime.connectors.protocols import CallContext, Page, Record, Refused, RejectedRecord, Retriable, SourceConnector
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.domain.retry import SOURCE_PAGE
from runtime.domain.versions import version_number
from runtime.ledger.append import Fenced, IncomingMessage, StreamRef, append, incoming_messages, load_stream
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.services import runs, system_connections
from runtime.services.message_checks import (
    KEY_LENGTH,
    ContractChecks,
    Rejection,
    quick_checks,
    store_rejected,
    usable_key,
    usable_keys,
)
from runtime.services.wakeups import shards_of, wake

_documents = msgspec.json.Decoder(list[Any])
CALL_SECONDS = 30.0
GROUP = 4  # pages per commit at most, where reading on has no effect on the source
READ_ONLY = frozenset({"rest", "odata_v2", "odata_v4"})  # for others, passing a cursor acknowledges: commit it first
GROUP_RECORDS = 5_000
MISSES = 3  # groups in a row with a rejected record, after which the quick checks are skipped

# A stream is claimed for a run under the same gate as deliveries: at least one target of it may take work.
_CLAIM = """
with c as materialized (
       select q.id, u.id as run_id, u.integration_id, d.release_id, r.manifest
         from runtime_run u
         join runtime_stream q on q.id = u.stream_id
         join runtime_deployment d on d.integration_id = u.integration_id and d.environment = q.environment and d.active
         join runtime_release r on r.id = d.release_id
        where u.state = 'running' and u.kind = 'collect'
          and q.lease_until < clock_timestamp()
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
   set token = t.token + 1, owner = %(me)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c
 where t.id = c.id
returning t.id as stream, t.token, t.cursor, t.environment, c.run_id as run, c.release_id as release, c.manifest"""


@dataclass(slots=True)
class PollClaim:
    """The right to read one source until `deadline`, for one run."""

    stream: int
    token: int
    cursor: dict[str, Any] | None
    environment: str
    run: int
    release: int
    manifest: Manifest
    deadline: float = 0.0


def claim(
    conn: Connection,
    *,
    owner: str,
    tiers: Sequence[int] = (0, 1, 2, 3),
    stream: int | None = None,
    lease: float = LEASE_SECONDS,
) -> PollClaim | None:
    """Claim a run whose source no worker is reading now; a run that a dead worker left behind is one of them."""
    started = time.monotonic()
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CLAIM, {"me": owner, "lease": lease, "tiers": list(tiers), "stream": stream}).fetchone()
    if row is None:
        return None
    row["manifest"] = manifests.load(row["manifest"])
    return PollClaim(**row, deadline=started + lease)


def collect(conn: Connection, taken: PollClaim, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Read every source of the run to its end; returns the number of records. Raises Fenced when the claim was lost.

    When `stop` answers True the work ends after the current group; the next claim continues the run.
    """
    stream, total, cursors = load_stream(conn, taken.stream), 0, dict(taken.cursor or {})
    tier = taken.manifest.tier
    try:
        for source in taken.manifest.sources:
            if source.connection is None:
                continue
            opened, secrets = system_connections.open_source(
                source.connection, system=source.system, environment=taken.environment
            )
            try:
                reader = _Reader(conn, taken, stream, source, opened, cursors)
                for count in reader.groups(CallContext(secrets, CALL_SECONDS)):
                    total += count
                    wake(tier, shards_of(conn, taken.stream))
                    if stop() or not _still_wanted(conn, taken.run):
                        _release(conn, taken)
                        return total
            finally:
                opened.close()
    except (Retriable, Refused) as error:
        _release(conn, taken)
        runs.finish(taken.run, error=f"The source did not answer: {error}")
        return total
    except (Fenced, psycopg.OperationalError, DjangoOperationalError):
        raise  # the run stays open; the next claim continues it
    except Exception as error:
        _release(conn, taken)
        runs.finish(taken.run, error=f"{type(error).__name__}: {error}")
        raise
    _release(conn, taken)
    runs.finish(taken.run)
    return total


def _still_wanted(conn: Connection, run: int) -> bool:
    row = conn.execute("select state = 'running' from runtime_run where id = %s", (run,)).fetchone()
    return bool(row and row[0])


def _release(conn: Connection, taken: PollClaim) -> None:
    conn.execute(
        "update runtime_stream set lease_until = clock_timestamp(), owner = '' where id = %s and token = %s",
        (taken.stream, taken.token),
    )


class _Reader:
    """One source, read in groups of pages, each group one commit."""

    def __init__(
        self,
        conn: Connection,
        taken: PollClaim,
        stream: StreamRef,
        source: ManifestSource,
        connector: SourceConnector,
        cursors: dict[str, Any],
    ) -> None:
        self.conn, self.taken, self.stream = conn, taken, stream
        self.source, self.connector, self.cursors = source, connector, cursors
        self.prefix = taken.manifest.prefix(source)
        self.group = GROUP if source.connection is not None and source.connection.protocol in READ_ONLY else 1
        self.checks = ContractChecks(taken.manifest, source)
        self.quick = quick_checks(taken.manifest, source)
        self.misses = 0

    def groups(self, call: CallContext) -> Iterator[int]:
        """Yields the number of records of each committed group."""
        done = False
        while not done:
            records: list[Record] = []
            unreadable: list[RejectedRecord] = []
            for _ in range(self.group):
                page = self._page(call)
                records += page.records
                unreadable += page.rejected
                self.cursors[self.source.name], done = page.cursor, page.done
                if done or len(records) >= GROUP_RECORDS:
                    break
            hit("collect.read")
            self._store(records, unreadable)
            yield len(records) + len(unreadable)

    def _page(self, call: CallContext) -> Page:
        """A page; retried a few times with growing waits while the lease lasts."""
        attempts = SOURCE_PAGE.attempts or 1
        for attempt in range(attempts):
            try:
                return self.connector.read(self.cursors.get(self.source.name), call=call)
            except Retriable as error:
                wait = error.after if error.after is not None else SOURCE_PAGE.pause(attempt)
                if attempt == attempts - 1 or time.monotonic() + wait > self.taken.deadline - 2:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _store(self, records: Sequence[Record], unreadable: Sequence[RejectedRecord]) -> None:
        items, rejected = self._checked(records)
        rejected += [Rejection(one.key or "", "unreadable", one.reason, one.payload) for one in unreadable]
        with self.conn.transaction():
            append(
                self.conn,
                self.stream,
                items,
                release_id=self.taken.release,
                run_id=self.taken.run,
                cursor=json.dumps(self.cursors),
                token=self.taken.token,
            )
            store_rejected(self.conn, self.stream, self.taken.run, self.source.name, rejected)
        self.taken.deadline = time.monotonic() + LEASE_SECONDS

    def _checked(self, records: Sequence[Record]) -> tuple[list[IncomingMessage], list[Rejection]]:
        """Items for the log, and the records that are rejected."""
        if (quick := self._all_good(records)) is not None:
            return quick, []
        documents: Sequence[Any] = [None] * len(records)
        if self.checks:
            documents = _documents.decode(b"[" + b",".join([record.payload for record in records]) + b"]")
        items: list[IncomingMessage] = []
        rejected: list[Rejection] = []
        for record, document in zip(records, documents, strict=True):
            version = self._version_or_rejection(record, document)
            if isinstance(version, Rejection):
                rejected.append(version)
            else:
                items.append(IncomingMessage(self.prefix + record.key, version, record.payload))
        return items, rejected

    def _version_or_rejection(self, record: Record, document: Any) -> int | Rejection:
        if problem := self.checks.problem(document):
            return Rejection(record.key, "contract", problem, record.payload)
        if not usable_key(record.key):
            reason = f"the key is empty, longer than {KEY_LENGTH} characters or contains a control character"
            return Rejection(record.key, "key", reason, record.payload)
        if record.version is None:
            return 0
        try:
            return version_number(record.version)
        except ValueError as error:
            return Rejection(record.key, "version", f"the version cannot be read: {error}", record.payload)

    def _all_good(self, records: Sequence[Record]) -> list[IncomingMessage] | None:
        """Items of records that all pass the quick checks, the usual case; None where they must be checked one by
        one.
        """
        if self.quick is None or self.misses >= MISSES or not records:
            return None
        keys = [record.key for record in records]
        try:
            versions = _versions([record.version for record in records])
        except ValueError:
            return None
        if not usable_keys(keys):
            return None
        payloads = [record.payload for record in records]
        if not all(accepts(payloads) for accepts in self.quick):
            self.misses += 1
            return None
        self.misses = 0
        return incoming_messages(self.prefix, keys, versions, payloads)


def _versions(given: Sequence[str | None]) -> list[int]:
    """Versions as numbers. Plain whole numbers, the usual case, are converted all at once. Raises ValueError."""
    texts = [text for text in given if text is not None]
    joined = "".join(texts)
    if (
        len(texts) == len(given)
        and joined.isascii()
        and joined.isdigit()
        and "" not in texts
        and len(max(texts, key=len)) < 19
    ):
        return list(map(int, texts))
    return [0 if text is None else version_number(text) for text in given]
