"""Dated states of integrations: where their dates are read, kept and acted on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.db.models.functions import Now

from runtime.domain import manifest as manifests
from runtime.domain import validity
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.domain.validity import BadValidity, Period
from runtime.ledger import dated_states, pool
from runtime.ledger.append import Appended, IncomingMessage
from runtime.ledger.connections import Connection
from runtime.ledger.dated_states import Dating, dated_key
from runtime.ledger.streams import StreamRef
from runtime.models import DatedState, Deployment, Stream, ValidityMoment
from runtime.services.message_checks import Rejection, usable_key
from runtime.services.wakeups import signal

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def dating_of(manifest: Manifest, source: ManifestSource) -> Dating | None:
    """How the states of a source are dated, and in which zones its targets count them; None where they are not."""
    valid = manifest.valid_of(source)
    if valid is None:
        return None
    zones = {
        target.zones.get(instance, valid.zone)
        for target in manifest.targets
        if manifest.source_of(target) == source and not target.holds_dates
        for instance in target.instances or [""]
    }
    return Dating(valid, frozenset(zones))


class DatedItems:
    """The messages of one dated source on their way into the log."""

    def __init__(self, dating: Dating, prefix: str) -> None:
        self.dating, self.prefix = dating, prefix

    def keyed(self, item: IncomingMessage) -> IncomingMessage | Rejection:
        """The same message under the key of its state, or why its dates cannot be read."""
        document = _decode(item.payload)
        valid, own = self.dating.valid, item.key.removeprefix(self.prefix)
        try:
            period = validity.read(valid, document)
            about = validity.subject(valid, document) if valid.of else own
        except BadValidity as error:
            return Rejection(item.key, "validity", f"its dates cannot be used: {error}", item.payload)
        key = dated_key(self.prefix + about, own if valid.of else period.begins)
        if not usable_key(key):
            return Rejection(item.key, "key", "the key and what it is about are too long together", item.payload)
        return item._replace(key=key)

    def sort(self, items: Sequence[IncomingMessage]) -> tuple[list[IncomingMessage], list[Rejection]]:
        found = [self.keyed(item) for item in items]
        return (
            [one for one in found if isinstance(one, IncomingMessage)],
            [one for one in found if isinstance(one, Rejection)],
        )

    def keep(self, conn: Connection, stream: StreamRef, items: Sequence[IncomingMessage], done: Appended) -> None:
        """Keep the states of what was stored, in the same transaction."""
        periods = [
            validity.read(self.dating.valid, _decode(item.payload)) if place[1] > 0 else Period()
            for item, place in zip(items, done.positions, strict=True)
        ]
        dated_states.keep(conn, stream, self.dating, items, periods, done)


def items_of(manifest: Manifest, source: ManifestSource) -> DatedItems | None:
    dating = dating_of(manifest, source)
    return None if dating is None else DatedItems(dating, manifest.prefix(source))


def fire_due(*, at: datetime | None = None) -> int:
    """Put the states into the log that count from now on. Answers how many moments passed."""
    if not _something_due(at):
        return 0
    to_come = ValidityMoment.objects.filter(fired_at=None)
    datings = {stream: found for stream, manifest in _deployed(to_come) if (found := _by_prefix(manifest))}
    with pool.connection() as conn:
        passed = dated_states.fire_due(conn, datings, at=at)
        if passed:
            signal(conn)
    return passed


def forget_passed() -> None:
    with pool.connection() as conn:
        dated_states.forget_passed(conn)


def _something_due(at: datetime | None) -> bool:
    return ValidityMoment.objects.filter(fired_at=None, at__lte=at or Now()).exists()


def _deployed(having: QuerySet[Any]) -> list[tuple[int, Manifest]]:
    """Streams that have such rows, each with the manifest that is deployed."""
    streams = Stream.objects.filter(pk__in=having.values("stream_id"))
    found = []
    for stream in streams:
        deployment = (
            Deployment.objects.select_related("release")
            .filter(integration_id=stream.integration_id, environment=stream.environment, active=True)
            .first()
        )
        if deployment is not None:
            found.append((stream.pk, manifests.load(deployment.release.manifest)))
    return found


def plan_all_again() -> None:
    """After the database's clock was set back: what had begun by it is still to begin, and who looks at it meanwhile
    leaves it out. A state that counts already comes once more at its moment, as it is."""
    for stream, manifest in _deployed(DatedState.objects.all()):
        plan_again(stream, manifest)


def _by_prefix(manifest: Manifest) -> dict[str, Dating]:
    return {
        manifest.prefix(source): dating
        for source in manifest.sources
        if (dating := dating_of(manifest, source)) is not None
    }


def plan_again(stream: int, manifest: Manifest) -> None:
    """After a deployment: note the moments of all states that are kept, for zones that no release before had."""
    datings = _by_prefix(manifest)
    if not datings or not DatedState.objects.filter(stream_id=stream).exists():
        return
    with pool.connection() as conn, conn.transaction():
        dated_states.plan_all(conn, stream, datings)
