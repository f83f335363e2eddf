"""Source connector → contract check → log. The source cursor moves in the commit that stores what was read."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import psycopg
from django.db import OperationalError as DjangoOperationalError
from psycopg.rows import dict_row

from catalog.selectors import contracts
from runtime.connectors.acceptance import Accepts, compile_acceptance
from runtime.connectors.protocols import Call, Page, Record, Refused, Rejected, Retriable
from runtime.connectors.protocols import Source as SourceConnector
from runtime.domain import manifest as manifests
from runtime.domain.manifest import Manifest, Source
from runtime.domain.retry import SOURCE_PAGE
from runtime.domain.versions import version_number
from runtime.ledger.append import Fenced, Item, StreamRef, append, items_of, load_stream
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.parking import fingerprint
from runtime.services import connections, judging, runs
from runtime.services.wakeups import shards_of, wake

_documents = msgspec.json.Decoder(list[Any])
CALL_SECONDS = 30.0
GROUP = 4  # pages per commit at most, where reading on has no effect on the source
READ_ONLY = frozenset(
    {"rest", "odata_v2", "odata_v4"}
)  # elsewhere a cursor that comes back acknowledges: it is committed before
GROUP_RECORDS = 5_000
KEY_LENGTH = 500
MISSES = 3  # groups in a row with a refusal, after which the quick check is left out

# A stream is claimed for a run under the same gate as deliveries: at least one target of it may take work.
_CLAIM = """
with c as materialized (
       select q.id, u.id as run_id, u.integration_id, d.release_id, r.manifest
          from runtime_run u join runtime_stream q on q.id = u.stream_id
               join runtime_deployment d on d.integration_id = u.integration_id and d.environment = q.environment and d.active
               join runtime_release r on r.id = d.release_id
         where u.state = 'running' and u.kind = 'collect' and q.lease_until < clock_timestamp() and r.tier = any(%(tiers)s)
           and (%(stream)s::int is null or q.id = %(stream)s)
           and exists (select from runtime_permitted p join runtime_subscription s on s.id = p.subscription_id where s.stream_id = q.id and s.replay_of_id is null)
         order by r.tier, q.lease_until limit 1 for update of q skip locked)
update runtime_stream t set token = t.token + 1, owner = %(me)s, lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c where t.id = c.id
returning t.id as stream, t.token, t.cursor, t.environment, c.run_id as run, c.release_id as release, c.manifest"""


@dataclass(slots=True)
class Collecting:
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
) -> Collecting | None:
    """A run whose source nobody reads at this moment; a run left by a dead worker is one of them."""
    started = time.monotonic()
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CLAIM, {"me": owner, "lease": lease, "tiers": list(tiers), "stream": stream}).fetchone()
    if row is None:
        return None
    row["manifest"] = manifests.load(row["manifest"])
    return Collecting(**row, deadline=started + lease)


def collect(conn: Connection, taken: Collecting, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Read every source of the run to its end. Answers how many records were read. Raises Fenced when the source was lost.

    With `stop` the work ends after the present group; the run goes on with the next claim.
    """
    stream, total, cursors = load_stream(conn, taken.stream), 0, dict(taken.cursor or {})
    tier = taken.manifest.tier
    try:
        for source in taken.manifest.sources:
            if source.connection is None:
                continue
            opened, secrets = connections.open_source(
                source.connection, system=source.system, environment=taken.environment
            )
            try:
                reader = _Reader(conn, taken, stream, source, opened, cursors)
                for count in reader.groups(Call(secrets, CALL_SECONDS)):
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
        raise  # the run stays open and goes on with the next claim
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


def _release(conn: Connection, taken: Collecting) -> None:
    conn.execute(
        "update runtime_stream set lease_until = clock_timestamp(), owner = '' where id = %s and token = %s",
        (taken.stream, taken.token),
    )


class _Reader:
    """One source, read in groups of pages, each group one commit."""

    def __init__(
        self,
        conn: Connection,
        taken: Collecting,
        stream: StreamRef,
        source: Source,
        connector: SourceConnector,
        cursors: dict[str, Any],
    ) -> None:
        self.conn, self.taken, self.stream, self.source, self.connector, self.cursors = (
            conn,
            taken,
            stream,
            source,
            connector,
            cursors,
        )
        self.prefix = taken.manifest.prefix(source)
        self.group = GROUP if source.connection is not None and source.connection.protocol in READ_ONLY else 1
        self.checks = [v for v in (judging.validator_of(source), event_validator(taken.manifest)) if v is not None]
        self.quick = acceptances(source, taken.manifest)
        self.misses = 0

    def groups(self, call: Call) -> Iterator[int]:
        """Yields the number of records of each committed group."""
        done = False
        while not done:
            records: list[Record] = []
            rejected: list[Rejected] = []
            for _ in range(self.group):
                page = self._page(call)
                records += page.records
                rejected += page.rejected
                self.cursors[self.source.name], done = page.cursor, page.done
                if done or len(records) >= GROUP_RECORDS:
                    break
            hit("collect.read")
            self._store(records, rejected)
            yield len(records) + len(rejected)

    def _page(self, call: Call) -> Page:
        """A page, asked for again a few times with growing waits while the lease lasts."""
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

    def _store(self, records: Sequence[Record], rejected: Sequence[Rejected]) -> None:
        items, refused = self._checked(records)
        refused += [(one.key or "", "unreadable", one.reason, one.payload) for one in rejected]
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
            store_rejected(self.conn, self.stream, self.taken.run, self.source.name, refused)
        self.taken.deadline = time.monotonic() + LEASE_SECONDS

    def _checked(self, records: Sequence[Record]) -> tuple[list[Item], list[tuple[str, str, str, bytes]]]:
        """Items for the log, and what the contract refuses: (key, reason class, reason, payload)."""
        if (quick := self._all_good(records)) is not None:
            return quick, []
        items: list[Item] = []
        refused: list[tuple[str, str, str, bytes]] = []
        documents = (
            _documents.decode(b"[" + b",".join([record.payload for record in records]) + b"]")
            if self.checks
            else [None] * len(records)
        )
        tests, prefix = [check.is_valid for check in self.checks], self.prefix
        for record, document in zip(records, documents, strict=True):
            key, problem, version = record.key, None, 0
            for number, test in enumerate(tests):
                if not test(document):
                    problem = _contract_problem(self.checks[number], document)
                    break
            if problem is None and not usable_key(key):
                problem = ("key", "the key is empty, longer than 500 characters or holds a control character")
            if problem is None and record.version is not None:
                try:
                    version = version_number(record.version)
                except ValueError as error:
                    problem = ("version", f"the version cannot be read: {error}")
            if problem is not None:
                refused.append((key, problem[0], problem[1], record.payload))
                continue
            items.append(Item(prefix + key, version, record.payload))
        return items, refused

    def _all_good(self, records: Sequence[Record]) -> list[Item] | None:
        """Items of records that are all as they should be, which is the usual case; None where they must be looked at one by one."""
        if self.quick is None or self.misses >= MISSES or not records:
            return None
        keys = [record.key for record in records]
        text = "".join(keys)
        try:
            versions = _versions([record.version for record in records])
        except ValueError:
            return None
        if "\x00" in text or "\x1f" in text or "" in keys or len(max(keys, key=len)) > KEY_LENGTH:
            return None
        payloads = [record.payload for record in records]
        if not all(accepts(payloads) for accepts in self.quick):
            self.misses += 1
            return None
        self.misses = 0
        return items_of(self.prefix, keys, versions, payloads)


def _versions(given: Sequence[str | None]) -> list[int]:
    """Plain whole numbers, which versions mostly are, are read at once."""
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


def acceptances(source: Source, manifest: Manifest) -> list[Accepts] | None:
    """Quick checks that stand for all full ones; None where a contract is not of the kind that has one."""
    found: list[Accepts | None] = []
    if source.contract:
        found.append(_acceptance(source.contract, source.schema or ""))
    if manifest.event.schema:
        found.append(compile_acceptance(manifest.event.schema))
    return None if None in found else [one for one in found if one is not None]


@lru_cache(maxsize=64)
def _acceptance(digest: str, pointer: str) -> Accepts | None:
    tree = contracts.document(digest).tree
    return compile_acceptance(tree, pointer) if isinstance(tree, Mapping) else None


def usable_key(key: str) -> bool:
    return 0 < len(key) <= KEY_LENGTH and "\x00" not in key and "\x1f" not in key


def _contract_problem(check: Any, document: Any) -> tuple[str, str]:
    error = next(iter(check.iter_errors(document)))
    return "contract", f"{'/'.join(map(str, error.instance_path)) or 'the document'}: {error.message}"[:500]


def event_validator(manifest: Manifest) -> Any:
    if not manifest.event.schema:
        return None
    import jsonschema_rs

    return jsonschema_rs.validator_for(manifest.event.schema)


def store_rejected(
    conn: Connection, stream: StreamRef, run: int | None, source: str, refused: Sequence[tuple[str, str, str, bytes]]
) -> None:
    """Keep what did not enter the log, once per content, in the transaction that moves the cursor past it."""
    if not refused:
        return
    rows = [
        (
            stream.id,
            run,
            key[:500].replace("\x00", "?"),
            hashlib.blake2b(payload, digest_size=16).hexdigest(),
            reason_class,
            fingerprint(source, reason_class, reason),
            reason[:2000].replace("\x00", "?"),
            payload[:200_000].decode("utf-8", "replace").replace("\x00", "?"),
        )
        for key, reason_class, reason, payload in refused
    ]
    with conn.cursor() as cursor:
        cursor.executemany(
            """insert into runtime_rejected (stream_id, run_id, key, digest, reason_class, fingerprint, reason, raw) values (%s, %s, %s, %s, %s, %s, %s, %s)
               on conflict (stream_id, digest) do update set seen = runtime_rejected.seen + 1, last_at = clock_timestamp()""",
            rows,
        )
    if run is not None:
        conn.execute(
            "update runtime_run set rejected_count = rejected_count + %s, read = read + %s where id = %s",
            (len(refused), len(refused), run),
        )
