"""Asking about what another release has sent: as the release of now says, which may have corrected how to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kernel.errors import DomainError
from runtime.connectors.protocols import AskBy, ConnectionFault, OutboundMessage
from runtime.domain.manifest import Manifest
from runtime.ledger.vendor_client import CannotAsk, SendResult, VendorClient
from runtime.services import system_connections
from runtime.services.message_names import MessageNames
from runtime.services.sink_questions import SentByRelease


class LaterRelease:
    """A vendor client that asks and never sends. Where the release of now cannot ask at all, the one that has sent the
    messages does (`before`)."""

    def __init__(self, now: VendorClient, before: Callable[[], VendorClient]) -> None:
        self._now, self._before, self._opened = now, before, list[VendorClient]()
        self.deadline = now.deadline
        self.moved_at: float | None = None

    def close(self) -> None:
        for client in (self._now, *self._opened):
            if close := getattr(client, "close", None):
                close()
        self._opened = []

    def send(self, messages: Sequence[OutboundMessage], *, guard: Callable[[], None]) -> list[SendResult]:
        return [SendResult("unsent", detail="it was sent by another release, and is only asked about")] * len(messages)

    def check(self) -> SendResult:
        return self._now.check()

    def ask(self, messages: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        try:
            return self._now.ask(messages, by=by)
        except CannotAsk:
            self._opened = self._opened or [self._before()]
            return self._opened[0].ask(messages, by=by)


def can_ask_for(asking: Manifest, sent_by: Manifest, name: str) -> bool:
    """Whether a release has the target of that name with a connection to the same system."""
    mine = next((target for target in asking.targets if target.name == name), None)
    its = next((target for target in sent_by.targets if target.name == name), None)
    return mine is not None and its is not None and mine.connection is not None and mine.system == its.system


def sent_by_release(manifest: Manifest, name: str, instance: str) -> SentByRelease:
    """How that release named and addressed the messages of a target."""
    target = manifest.target(name)
    names = MessageNames(target, instance, manifest.prefix(manifest.source_of(target)))
    if target.connection is None:
        return SentByRelease(names)
    try:
        sink = system_connections.opened_to_check(target.connection, role="sink")
    except (DomainError, ConnectionFault):  # settings of before that open nothing now
        return SentByRelease(names, frozenset(target.address))
    return SentByRelease(names, sink.write_address, sink.business_reference)
