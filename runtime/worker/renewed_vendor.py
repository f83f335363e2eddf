"""A vendor client that notices a corrected connection: after a fault it looks whether address, settings or secret have
changed since it was opened, and if so opens anew and goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runtime.connectors.protocols import AskBy, ConnectionFault, OutboundMessage
from runtime.ledger.vendor_client import SendResult
from runtime.services.sink_vendor import SinkVendor
from runtime.services.system_connections import OpenedSink

OpenSink = Callable[[object | None], OpenedSink | None]
"""Opens the sink; None where it would be opened with the same as what is handed in."""


class RenewedVendor:
    """A rotated password so costs one refused call and no pause. What did not change is not tried a second time: a
    system locks an account after a few wrong passwords. `moved_at`: since when the system is called where it is called
    now."""

    def __init__(self, open_sink: OpenSink, wrap: Callable[[OpenedSink], SinkVendor]) -> None:
        self._open, self._wrap = open_sink, wrap
        opened = open_sink(None)
        if opened is None:
            raise AssertionError("a sink is opened where nothing was opened before")
        self._resolved: object = opened.resolved
        self._client = wrap(opened)
        self.deadline = self._client.deadline
        self.moved_at: float | None = None

    def close(self) -> None:
        self._client.close()

    def send(self, messages: Sequence[OutboundMessage], *, guard: Callable[[], None]) -> list[SendResult]:
        results = self._client.send(messages, guard=guard)
        if not any(result.fault for result in results) or not self._renew():
            return results
        rest = [n for n, result in enumerate(results) if result.status == "unsent"]
        again = self._client.send([messages[n] for n in rest], guard=guard)
        for n, result in zip(rest, again, strict=True):
            results[n] = result
        return results

    def check(self) -> SendResult:
        found = self._client.check()
        return self._client.check() if found.fault and self._renew() else found

    def ask(self, messages: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        results = self._client.ask(messages, by=by)
        if any(result.fault for result in results) and self._renew():
            return self._client.ask(messages, by=by)
        return results

    def _renew(self) -> bool:
        """Whether the client is another one now."""
        try:
            opened = self._open(self._resolved)
        except ConnectionFault:  # what the vendor said tells more than what is missing now
            return False
        if opened is None:
            return False
        self._client.close()
        self._client, self._resolved = self._wrap(opened), opened.resolved
        return True
