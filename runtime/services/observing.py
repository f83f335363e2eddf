"""What the runtime took in and what it refused, compared with the contracts that its sources pin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain import contract_engine
from catalog.selectors import contracts, versions
from catalog.services import drift
from kernel.digest import digest_of
from kernel.errors import DomainError, NotFound
from kernel.models import User
from runtime.domain.manifest import Manifest, ManifestSource, parse
from runtime.models import Message, RejectedMessage, Release, Stream

MOST = 50_000
_CHUNK = 500
#: What was refused because it is no JSON.
_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class ObservedVersion:
    """What was observed of one API version by the sources of one stream. `report` has the form that
    `tillgate contracts observe --format json` writes."""

    version: str
    version_id: int
    report: dict[str, Any]


def observe(stream: Stream, *, since: datetime, most: int = MOST) -> list[ObservedVersion]:
    """Compare the newest messages of a stream, at most `most` accepted and as many refused ones, with the contract that
    their source pins. Versions that have another contract by now, and messages of which nothing is pinned, are left
    out."""
    observers: dict[str, Any] = {}
    pinned = _Pinned(stream)
    for release_id, source, key, value, accepted, at in _values(stream, since, most):
        found = pinned.source(release_id, source, key)
        if found is None or not found.api or not found.contract:
            continue
        observer = observers.get(found.api)
        if observer is None:
            facts = versions.by_reference(found.api)
            if facts is None or facts.contract_digest != found.contract:
                continue
            try:
                observer = observers[found.api] = contract_engine.observer(contracts.document(found.contract))
            except DomainError:
                continue  # a contract whose format carries no JSON
        if value is _UNREADABLE:
            observer.add_unread()
        else:
            observer.add_value(found.schema or "", value, accepted=accepted, at=at)
    made = []
    for reference, observer in sorted(observers.items()):
        facts = versions.by_reference(reference)
        if facts is not None:
            made.append(ObservedVersion(reference, facts.id, observer.result("runtime").as_dict()))
    return made


def record(stream: Stream, observed: ObservedVersion, *, actor: User) -> drift.DriftReceipt:
    """Hand the report in as `actor`. The same messages give the same report, which counts once."""
    name = f"runtime-{stream.integration.key}-{digest_of(observed.report)[7:23]}"[-100:]
    return drift.record(
        actor=actor,
        version_id=observed.version_id,
        environment=stream.environment,
        report_id=name,
        report=observed.report,
    )


def stream_of(integration: str, environment: str) -> Stream:
    """Raises NotFound `stream.unknown`."""
    found = (
        Stream.objects.select_related("integration")
        .filter(integration__key=integration, environment=environment)
        .first()
    )
    if found is None:
        raise NotFound("stream.unknown", f"The integration {integration!r} has taken in nothing in {environment!r}.")
    return found


def _values(stream: Stream, since: datetime, most: int) -> Iterator[tuple[int | None, str, str, Any, bool, datetime]]:
    """(release, source, key, value, accepted, when) of messages and rejected messages, newest first."""
    held = Message.objects.filter(stream=stream, received_at__gte=since).order_by("-received_at")
    rows = held.values_list("release_id", "key", "payload", "received_at")[:most]
    for release_id, key, payload, at in rows.iterator(chunk_size=_CHUNK):
        yield release_id, "", key, payload, True, at
    refused = RejectedMessage.objects.filter(stream=stream, last_at__gte=since).order_by("-last_at")
    listed = refused.values_list("run__deployment__release_id", "source", "key", "raw", "last_at")[:most]
    for release_id, source, key, raw, at in listed.iterator(chunk_size=_CHUNK):
        try:
            value = json.loads(raw)
        except ValueError:
            value = _UNREADABLE
        yield release_id, source, key, value, False, at


class _Pinned:
    """The sources of the releases that messages came by; what came without one is judged by the newest release."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._manifests: dict[int | None, Manifest | None] = {}

    def source(self, release_id: int | None, name: str, key: str) -> ManifestSource | None:
        if release_id not in self._manifests:
            self._manifests[release_id] = self._read(release_id)
        manifest = self._manifests[release_id]
        if manifest is None:
            return None
        for source in manifest.sources:
            if source.name == name or (not name and key.startswith(manifest.prefix(source))):
                return source
        return None

    def _read(self, release_id: int | None) -> Manifest | None:
        rows = Release.objects.filter(integration_id=self._stream.integration_id)
        row = (rows.filter(pk=release_id) if release_id is not None else rows.order_by("-id")).first()
        try:
            return parse(row.manifest).manifest if row else None
        except DomainError:
            return None
