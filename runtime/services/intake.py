"""Intake: what others push to us is durable before they get an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from django.db import OperationalError as DjangoOperationalError
from psycopg_pool import ConnectionPool

from kernel.digest import canonical_json
from kernel.errors import Invalid, NotFound, Unavailable
from runtime.domain import manifest as manifests
from runtime.domain.correlation import correlation_id
from runtime.domain.manifest import Manifest, Source
from runtime.ledger import connections
from runtime.ledger.append import Item, StreamRef, append
from runtime.ledger.connections import Connection
from runtime.services import judging
from runtime.services.collecting import event_validator, shards_of, store_rejected, usable_key
from runtime.services.wakeups import wake

MAX_ITEMS = 5_000
_pool: ConnectionPool[Any] | None = None
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one pushed item. `accepted`, `duplicate` (the same content is there already), `older`, `conflict` (the key
    is known with other content; a person decides) or `refused` (`reason`; it is kept as a dead letter)."""

    index: int
    key: str
    status: str
    correlation: str = ""
    reason: str = ""


def accept(
    integration_key: str, environment: str, items: Sequence[Any], *, source: str | None = None, correlations: Sequence[str | None] | None = None,
    traceparent: str | None = None,
) -> list[Receipt]:  # fmt: skip
    """Check against the contract and append, in one commit; one receipt per item, in order.

    Takes what comes also while the gate is closed: nothing is delivered then, and nothing is lost. Raises NotFound where
    nothing is deployed, Invalid for a batch that is too large, Unavailable when the database does not answer.
    """
    if len(items) > MAX_ITEMS:
        raise Invalid("intake.too_many", f"At most {MAX_ITEMS} items a call; this one has {len(items)}.")
    with _connection() as conn:
        stream, release, manifest = _deployed(conn, integration_key, environment)
        try:
            chosen = manifest.source(source)
        except KeyError:
            raise NotFound("intake.source", f"{integration_key} has no source {source!r}.") from None
        good, receipts, refused = _checked(manifest, chosen, items, correlations, traceparent)
        with conn.transaction():
            done = append(conn, stream, [item for _, item in good], release_id=release)
            store_rejected(conn, stream, None, chosen.name, refused)
        for (index, item), (lane, position) in zip(good, done.positions, strict=True):
            receipts[index] = _receipt(conn, stream, index, item, lane, position)
        shards: list[int] = []
        if done.accepted:
            conn.execute("select pg_notify('tillgate_work', '')")
            shards = shards_of(conn, stream.id)
    wake(manifest.tier, shards)
    return [receipt for receipt in receipts if receipt is not None]


def _receipt(conn: Connection, stream: StreamRef, index: int, item: Item, lane: int, position: int) -> Receipt:
    if position:
        return Receipt(index, item.key, "accepted", item.correlation or correlation_id(stream.salt, stream.id, lane, position))
    row = conn.execute(
        "select exists (select from runtime_conflict c where c.stream_id = %s and c.key = %s and c.payload::text = %s)",
        (stream.id, item.key, item.payload.decode()),
    ).fetchone()
    if stream.immutable and row and row[0]:
        return Receipt(
            index, item.key, "conflict", reason="this key is known with other content; nothing was overwritten, a person decides"
        )
    return Receipt(index, item.key, "duplicate")


def _checked(
    manifest: Manifest, source: Source, items: Sequence[Any], correlations: Sequence[str | None] | None, traceparent: str | None
) -> tuple[list[tuple[int, Item]], list[Receipt | None], list[tuple[str, str, str, bytes]]]:
    checks = [v for v in (judging.validator_of(source), event_validator(manifest)) if v is not None]
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in manifest.event.key.split("/")[1:])
    good: list[tuple[int, Item]] = []
    receipts: list[Receipt | None] = [None] * len(items)
    refused: list[tuple[str, str, str, bytes]] = []
    for index, document in enumerate(items):
        payload = canonical_json(document)
        key, reason = _key_of(document, path), ""
        if key is None:
            reason = f"there is no key at {manifest.event.key}"
        for check in checks if not reason else []:
            if not check.is_valid(document):
                error = next(iter(check.iter_errors(document)))
                reason = f"{'/'.join(map(str, error.instance_path)) or 'the document'}: {error.message}"[:500]
                break
        if reason or key is None:
            refused.append((key or "", "contract", reason, payload))
            receipts[index] = Receipt(index, key or "", "refused", reason=reason)
            continue
        correlation = correlations[index] if correlations else None
        good.append((index, Item(manifest.prefix(source) + key, 0, payload, correlation=correlation, traceparent=traceparent)))
    return good, receipts, refused


def _key_of(document: Any, path: tuple[str, ...]) -> str | None:
    for part in path:
        if not isinstance(document, dict) or part not in document:
            return None
        document = document[part]
    if isinstance(document, bool) or not isinstance(document, str | int) or document == "":
        return None
    text = str(document)
    return text if usable_key(text) else None


def _deployed(conn: Connection, key: str, environment: str) -> tuple[StreamRef, int, Manifest]:
    row = conn.execute(
        """select t.id, t.lanes, t.salt, t.immutable, d.release_id from runtime_integration i join runtime_stream t on t.integration_id = i.id and t.environment = %s
             join runtime_deployment d on d.integration_id = i.id and d.environment = t.environment and d.active where i.key = %s""",
        (environment, key),
    ).fetchone()
    if row is None:
        raise NotFound("deployment.none", f"{key} is not deployed in {environment}; nothing takes its messages there.")
    return StreamRef(*row[:4]), row[4], _manifest_of(row[4])


@lru_cache(maxsize=64)
def _manifest_of(release: int) -> Manifest:
    with _connection() as conn:
        row = conn.execute("select manifest from runtime_release where id = %s", (release,)).fetchone()
    if row is None:
        raise NotFound("release.unknown", f"There is no release {release}.")
    return manifests.load(row[0])


@contextmanager
def _connection() -> Iterator[Connection]:
    """From a small pool of the process; a connection that is dead is replaced."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ConnectionPool(
                open=False, min_size=0, max_size=8, timeout=10, connection_class=_Pooled, check=ConnectionPool.check_connection
            )
            _pool.open()
        pool = _pool
    import psycopg

    try:
        with pool.connection() as conn:
            yield conn
    except (psycopg.OperationalError, DjangoOperationalError) as error:
        raise Unavailable("intake.database", "The message could not be stored now; send it again.") from error


class _Pooled(connections.psycopg.Connection[Any]):
    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
        return connections.connect(name="tillgate-intake")
