"""A rejected message, corrected by a person, is handed in as if its source had given it: with the key, prefix and
version that it has there. It never goes over what came later without that person's word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel import card_measures
from kernel.digest import canonical_json
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User
from kernel.strict_json import flaw_of
from runtime import permissions
from runtime.connectors.page_cards import looked_through
from runtime.connectors.protocols import JudgesAgain, RejectedRecord
from runtime.domain import manifest as manifests
from runtime.domain import masking
from runtime.domain.batches import item_of
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.ledger import connections as ledger_connections
from runtime.ledger.append import Finer, IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.streams import StreamRef, load_stream
from runtime.models import Deployment, RejectedMessage
from runtime.services import finer_versions, handed_poslog, intake, system_connections
from runtime.services.cases import decide_with_effect, record_decision
from runtime.services.dating import items_of
from runtime.services.intake import IntakeReceipt
from runtime.services.message_checks import Rejection
from runtime.services.record_checks import RecordChecks
from runtime.services.rejudging import came_from, newer_messages
from runtime.services.wakeups import announce


def resubmit_rejected(
    rejected_id: int, *, payload: Any, actor: User | None, note: str = "", although_newer: bool = False
) -> IntakeReceipt:
    """Submit a corrected version of a rejected message, as if the source had sent it.

    A version decides what is newer; where states have none, what arrived after the rejected one does. Raises Conflict
    `rejected.newer` then, unless this person says that it is to count `although_newer`. Raises Invalid when it is
    rejected again. `payload` is the document, or a text in the format of a source whose records are no JSON (the XML of
    a POSLog transaction).
    """
    rejected = (
        RejectedMessage.objects.select_related("stream__integration__owner_team")
        .filter(pk=rejected_id, state="open")
        .first()
    )
    if rejected is None:
        raise NotFound("rejected.unknown", "This rejected message does not exist any more.")
    integration, environment = rejected.stream.integration, rejected.stream.environment
    permissions.require_operate(actor, integration)
    deployment = (
        Deployment.objects.select_related("release")
        .filter(integration=integration, environment=environment, active=True)
        .first()
    )
    if deployment is None:
        raise NotFound("deployment.none", f"{integration.key} is not deployed in {environment}; nothing can be stored.")
    manifest = manifests.load(deployment.release.manifest)
    source = _source(manifest, rejected.source or None)
    message = _message(manifest, source, payload, rejected)
    if not although_newer:  # that is a person's word of now
        message = message._replace(causation=came_from(rejected_id))
    ordered = source.connection is not None or not manifest.by_arrival
    with ledger_connections.connected(name="tillgate-resubmit") as conn, conn.transaction():
        stream = load_stream(conn, rejected.stream_id)
        guard = None if although_newer else _guard(conn, stream, message, rejected)
        done = append(
            conn,
            stream,
            [message],
            release_id=deployment.release_id,
            ordered=ordered,
            tell_held=True,
            inspect=guard,
            finer=_finer(manifest, source),
        )
        if (dated := items_of(manifest, source)) is not None:
            dated.keep(conn, stream, [message], done)
        receipt = intake.receipt_of(stream, 0, message, done, 0)
        if receipt.status == "refused":
            raise _again(receipt.reason)
        decide_with_effect(conn, RejectedMessage, rejected_id, "fixed", actor, note)
    if done.accepted:
        announce(manifest.tier, stream.id)
    after = {"status": receipt.status, "key": receipt.key} | ({"although_newer": True} if although_newer else {})
    record_decision(RejectedMessage, rejected_id, "fixed", integration, actor, note, after)
    return receipt


def _source(manifest: Manifest, name: str | None) -> ManifestSource:
    try:
        return manifest.source(name)
    except KeyError:
        said = (
            f"The deployed release has no source {name!r} any more; hand the message in by another way, or dismiss it."
        )
        raise NotFound("intake.source", said) from None


def _message(manifest: Manifest, source: ManifestSource, payload: Any, rejected: RejectedMessage) -> IncomingMessage:
    """Raises Invalid `rejected.again`."""
    connector = None if source.connection is None else system_connections.unconnected_source(source.connection)
    try:
        if not isinstance(connector, JudgesAgain):
            return _handed_in(manifest, source, payload, rejected)
        if flaw := flaw_of(payload):
            raise _again(flaw.message)
        given = payload.encode() if isinstance(payload, str) else canonical_json(payload)
        record = looked_through(connector.judged_again(given), before=handed_poslog.is_xml(given))
        if isinstance(record, RejectedRecord):
            raise _again(record.reason)
        made = _accepted(RecordChecks(manifest, source).one(record))
        dated = items_of(manifest, source)
        return made if dated is None else _accepted(dated.keyed(made))
    finally:
        if connector is not None:
            connector.close()


def _handed_in(manifest: Manifest, source: ManifestSource, payload: Any, rejected: RejectedMessage) -> IncomingMessage:
    """As intake would take it: the document, or the XML of a POSLog transaction. The document of a receipt is held to
    the sums that its XML is held to."""
    if isinstance(payload, str) and handed_poslog.is_xml(payload.encode("utf-8", "replace")):
        if flaw := flaw_of(payload):
            raise _again(flaw.message)
        item = handed_poslog.item_again(source, payload.encode())
        if isinstance(item, RejectedRecord):
            raise _again(item.reason)
    else:
        if handed_poslog.is_receipt(rejected.raw.encode()) and not flaw_of(payload):
            found = handed_poslog.item_again(source, canonical_json(payload))
            if isinstance(found, RejectedRecord):
                raise _again(found.reason)
        item = intake.without_cards(item_of(payload))
    made = _accepted(intake.message_of_item(manifest, source, item))
    if item.taken:
        card_measures.count("correction", item.taken)
    if masking.was_masked(made.key):
        raise _again(masking.KEY_WAS_MASKED)
    return made


def _finer(manifest: Manifest, source: ManifestSource) -> Finer | None:
    if source.connection is None:
        return finer_versions.of_event(manifest)
    connector = system_connections.unconnected_source(source.connection)
    connector.close()
    return finer_versions.of_source(connector)


def _accepted(made: IncomingMessage | Rejection) -> IncomingMessage:
    if isinstance(made, Rejection):
        raise _again(made.reason)
    return made


def _again(reason: str) -> Invalid:
    return Invalid("rejected.again", f"It is rejected again: {reason}.")


def _guard(
    conn: Connection, stream: StreamRef, message: IncomingMessage, rejected: RejectedMessage
) -> Callable[[list[bytes]], None]:
    """Asked under the lock of the lane, and only where something would be stored."""

    def newer(payloads: list[bytes]) -> None:
        if message.version or not newer_messages(conn, stream, [(message.key, rejected.last_at, rejected.pk)]):
            return
        raise Conflict(
            "rejected.newer",
            f"Another state of {message.key} came later than this one, and states carry no version here. Nothing was "
            "changed. Dismiss this one, or say that it is to replace the later state (`although_newer`).",
            {"key": message.key},
        )

    return newer
