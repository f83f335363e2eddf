"""Intake: a message that a caller pushes is durable before the caller gets an answer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from kernel.digest import canonical_json
from kernel.errors import Invalid, NotFound, Unavailable
from runtime.domain import manifest as manifests
from runtime.domain.correlation import correlation_id
from runtime.domain.manifest import Manifest
from runtime.ledger import pool
from runtime.ledger.append import IncomingMessage, StreamRef, append
from runtime.ledger.connections import Connection
from runtime.ledger.group_commit import GroupCommit, PendingCall
from runtime.services.message_checks import ContractChecks, Rejection, store_rejected, usable_key
from runtime.services.wakeups import announce

MAX_ITEMS = 5_000
_DEPLOYED = """
select t.id, t.lanes, t.salt, t.immutable, d.release_id
  from runtime_integration i
  join runtime_stream t on t.integration_id = i.id and t.environment = %s
  join runtime_deployment d on d.integration_id = i.id and d.environment = t.environment and d.active
 where i.key = %s"""
_IS_CONFLICT = """
select exists (select
                 from runtime_conflict c
                where c.stream_id = %s and c.key = %s and c.payload::text = %s)"""


@dataclass(frozen=True, slots=True)
class IntakeReceipt:
    """The result of one pushed item.

    `accepted`, `duplicate` (the same content is stored already), `older`, `conflict` (the key is stored with different
    content; a person decides) or `refused` (`reason`; it is kept as a rejected message).
    """

    index: int
    key: str
    status: str
    correlation: str = ""
    reason: str = ""


def accept(
    integration_key: str,
    environment: str,
    items: Sequence[Any],
    *,
    source: str | None = None,
    correlations: Sequence[str | None] | None = None,
    traceparent: str | None = None,
) -> list[IntakeReceipt]:
    """Check against the contract and append, in one commit; one receipt per item, in order.

    Messages are accepted while the gate is closed, too: none is delivered then, and none is lost. Raises NotFound where
    nothing is deployed, Invalid for a batch that is too large, Unavailable when the database does not answer.
    """
    if len(items) > MAX_ITEMS:
        raise Invalid("intake.too_many", f"Send at most {MAX_ITEMS} items in one call. This call has {len(items)}.")
    call = _Handed(items, source, correlations, traceparent)
    return cast("list[IntakeReceipt]", _group_commit.submit((integration_key, environment), call, len(items)))


@dataclass(frozen=True, slots=True)
class _Handed:
    """One call, as it came."""

    items: Sequence[Any]
    source: str | None
    correlations: Sequence[str | None] | None
    traceparent: str | None


@dataclass(slots=True)
class _Checked:
    """One call after the checks."""

    call: PendingCall[_Handed]
    source: str
    good: list[tuple[int, IncomingMessage]]
    receipts: list[IntakeReceipt | None]
    rejected: list[Rejection]


def _store_together(key: Hashable, calls: list[PendingCall[_Handed]]) -> None:
    """Store the messages of several calls in one commit.

    Where that fails, store each call alone, so that each gets its answer.
    """
    integration, environment = cast("tuple[str, str]", key)
    try:
        _store(integration, environment, calls)
    except Unavailable as error:
        for call in calls:
            call.fail(Unavailable(error.code, error.message))
    except Exception:
        if len(calls) == 1:
            raise
        for call in calls:
            _store_alone(key, call)


def _store_alone(key: Hashable, call: PendingCall[_Handed]) -> None:
    try:
        _store_together(key, [call])
    except Exception as error:
        call.fail(error)


def _store(integration: str, environment: str, calls: list[PendingCall[_Handed]]) -> None:
    with pool.connection() as conn:
        stream, release, manifest = _deployed(conn, integration, environment)
        checked = [_check(manifest, call) for call in calls]
        with conn.transaction() if any(one.rejected for one in checked) else nullcontext():
            done = append(conn, stream, [item for one in checked for _, item in one.good], release_id=release)
            for one in checked:
                store_rejected(conn, stream, None, one.source, one.rejected)
        positions = iter(done.positions)
        for one in checked:
            for index, item in one.good:
                one.receipts[index] = _receipt(conn, stream, index, item, *next(positions))
            one.call.answer(one.receipts)
    if done.accepted:
        announce(manifest.tier, stream.id)


_group_commit: GroupCommit[_Handed] = GroupCommit(_store_together)


def _receipt(
    conn: Connection, stream: StreamRef, index: int, item: IncomingMessage, lane: int, position: int
) -> IntakeReceipt:
    if position:
        correlation = item.correlation or correlation_id(stream.salt, stream.id, lane, position)
        return IntakeReceipt(index, item.key, "accepted", correlation)
    row = conn.execute(_IS_CONFLICT, (stream.id, item.key, item.payload.decode())).fetchone()
    if stream.immutable and row and row[0]:
        reason = "this key is stored with different content; nothing was overwritten, a person decides"
        return IntakeReceipt(index, item.key, "conflict", reason=reason)
    return IntakeReceipt(index, item.key, "duplicate")


def _check(manifest: Manifest, call: PendingCall[_Handed]) -> _Checked:
    """Raises NotFound for a source that the integration does not have."""
    handed = call.content
    try:
        source = manifest.source(handed.source)
    except KeyError:
        raise NotFound("intake.source", f"{manifest.integration} has no source {handed.source!r}.") from None
    checks, prefix = ContractChecks(manifest, source), manifest.prefix(source)
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in manifest.event.key.split("/")[1:])
    good: list[tuple[int, IncomingMessage]] = []
    receipts: list[IntakeReceipt | None] = [None] * len(handed.items)
    rejected: list[Rejection] = []
    for index, document in enumerate(handed.items):
        payload, key = canonical_json(document), _key_of(document, path)
        reason = f"there is no key at {manifest.event.key}" if key is None else checks.problem(document)
        if reason or key is None:
            rejected.append(Rejection(key or "", "contract", reason, payload))
            receipts[index] = IntakeReceipt(index, key or "", "refused", reason=reason)
            continue
        correlation = handed.correlations[index] if handed.correlations else None
        item = IncomingMessage(prefix + key, 0, payload, correlation=correlation, traceparent=handed.traceparent)
        good.append((index, item))
    return _Checked(call, source.name, good, receipts, rejected)


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
    row = conn.execute(_DEPLOYED, (environment, key)).fetchone()
    if row is None:
        raise NotFound(
            "deployment.none", f"{key} is not deployed in {environment}; nothing accepts its messages there."
        )
    return StreamRef(*row[:4]), row[4], _manifest_of(row[4])


@lru_cache(maxsize=64)
def _manifest_of(release: int) -> Manifest:
    with pool.connection() as conn:
        row = conn.execute("select manifest from runtime_release where id = %s", (release,)).fetchone()
    if row is None:
        raise NotFound("release.unknown", f"There is no release {release}.")
    return manifests.load(row[0])
