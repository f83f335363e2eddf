"""Publishing with the broker's confirmation: what it has not confirmed may be there or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import amqp
from amqp.exceptions import AccessRefused, AMQPError

from runtime.connectors.amqp.session import AmqpSession
from runtime.connectors.amqp.settings import LONGEST_NAME, AmqpSettings
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    ConnectionFault,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    WriteResult,
    health_of,
)
from runtime.connectors.rounds import write_in_rounds
from runtime.connectors.settings import wrong_setting
from runtime.domain.templates import NoName, fill, names_in, problem_of

LATER = 30.0  # seconds after which a broker that takes nothing is tried again


@dataclass(slots=True)
class _Batch:
    """What became of each message that was published, by its number on the channel."""

    items: dict[int, OutboundMessage] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    not_taken: set[int] = field(default_factory=set)
    returned: dict[str, str] = field(default_factory=dict)  # by message id: why

    @property
    def open(self) -> bool:
        return len(self.taken) + len(self.not_taken) < len(self.items)

    def settle(self, into: set[int], tag: int, multiple: bool) -> None:
        known = self.taken | self.not_taken
        into.update(one for one in self.items if (one <= tag if multiple else one == tag) and one not in known)


class AmqpSink:
    def __init__(self, settings: AmqpSettings) -> None:
        settings.verify_sink()
        if problem := problem_of(settings.routing_key):
            raise wrong_setting("/routing_key", problem)
        self.settings = settings
        self.session = AmqpSession(settings)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.write_address = frozenset(names_in(settings.routing_key))
        self.business_reference, self.match_field = "", ""
        self.ask_address, self.not_sent = frozenset[str](), frozenset[str]()
        self.opened, self.published = 0, 0
        self.batch = _Batch()

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        try:
            with self.session.within(call) as channel:
                self._look(channel)
        except CallError as error:
            return health_of(error)
        return Health(True, "signed in, messages can be published")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        """All are published, then their confirmations are awaited; a later one of a key after the one before. Raises
        Retriable or ConnectionFault where nothing was published."""
        return write_in_rounds(batch, lambda some: self._written(some, call))

    def _written(self, batch: Sequence[OutboundMessage], call: CallContext) -> list[WriteResult]:
        results: dict[int, WriteResult] = {}
        ready = list[tuple[int, OutboundMessage, str]]()
        for place, item in enumerate(batch):
            try:
                ready.append((place, item, self._routing_key(item)))
            except Refused as error:
                results[place] = WriteResult(item.key, "refused", code=error.code, message=error.message)
        if ready:
            results |= self._published(ready, call)
        return [results[place] for place in range(len(batch))]

    def _published(self, ready: list[tuple[int, OutboundMessage, str]], call: CallContext) -> dict[int, WriteResult]:
        done = self.batch = _Batch()
        trouble: CallError | None = None
        tags: dict[int, int] = {}
        try:
            with self.session.within(call) as channel:
                self._prepare(channel)
                if self.session.blocked:
                    raise Retriable(f"the broker takes no messages now ({self.session.blocked})", after=LATER)
                try:
                    for place, item, routing_key in ready:
                        self.published += 1
                        tags[place] = self.published
                        done.items[self.published] = item
                        message = self._message(item)
                        channel.basic_publish(message, self.settings.exchange, routing_key, mandatory=True)
                    while done.open:
                        self.session.drain(call.deadline)
                except (OSError, AMQPError) as error:
                    trouble = self.session.said(error, call)
                    refused_alike = isinstance(error, AccessRefused) and not self.write_address
                    if refused_alike and not done.taken:
                        raise  # it refuses the account at the first message, and looks at no other
                    self.session.close()
        except (Retriable, ConnectionFault):
            if trouble is None or not done.items:
                raise
        return {place: self._result(item, tags.get(place, 0), trouble) for place, item, _ in ready}

    def _result(self, item: OutboundMessage, tag: int, trouble: CallError | None) -> WriteResult:
        done = self.batch
        why = done.returned.get(item.sent_key)
        if why is not None:
            said = f"no queue takes the messages of this routing key ({why})"
            if self.write_address:
                return WriteResult(item.key, "refused", code="unroutable", message=said)
            return WriteResult(item.key, "refused", code="unroutable", message=said, retry_after=0.0, fault="address")
        if tag in done.taken:
            return WriteResult(item.key, "confirmed", reference=item.sent_key)
        if tag in done.not_taken and self.idempotency is Idempotency.KEY:
            said = "the broker could not take it"
            return WriteResult(item.key, "refused", code="nack", message=said, retry_after=LATER)
        said = str(trouble) if trouble else "the broker could not take it, and one of several queues may have it"
        return WriteResult(item.key, "unknown", code="no_answer", message=said)

    def _prepare(self, channel: Any) -> None:
        """Confirmations are asked for once a channel; where messages go is looked at before each batch, for a channel
        ends with the first message to an exchange that is not there, and nobody knows of those before it."""
        self._look(channel)
        if self.opened == self.session.number:
            return
        channel.events["basic_ack"].add(lambda tag, multiple: self.batch.settle(self.batch.taken, tag, multiple))
        channel.events["basic_nack"].add(lambda tag, multiple: self.batch.settle(self.batch.not_taken, tag, multiple))
        channel.events["basic_return"].add(self._returned)
        channel.confirm_select()
        self.opened, self.published = self.session.number, 0

    def _look(self, channel: Any) -> None:
        if self.settings.exchange:
            channel.exchange_declare(self.settings.exchange, "direct", passive=True)

    def _returned(self, error: Any, _: str, routing_key: str, message: Any) -> None:
        name = str(message.properties.get("message_id") or "")
        self.batch.returned[name] = f"{routing_key}: {getattr(error, 'reply_text', error)}"[:300]

    def _routing_key(self, item: OutboundMessage) -> str:
        try:
            made = fill(self.settings.routing_key, (item.address or {}).get)
        except NoName as error:
            raise Refused("address", f"The routing key needs a value for {error.name!r}; {error.why}.") from None
        for text, what in ((made, "routing key"), (item.sent_key, "message id")):
            if len(text.encode()) > LONGEST_NAME:
                raise Refused("amqp.too_long", f"The {what} has more than {LONGEST_NAME} bytes.")
        return made

    @staticmethod
    def _message(item: OutboundMessage) -> Any:
        headers = {"traceparent": item.traceparent} if item.traceparent else {}
        return amqp.Message(
            item.body,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            message_id=item.sent_key,
            correlation_id=item.correlation_id[:LONGEST_NAME],
            app_id="tillgate",
            application_headers=headers,
        )

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        if not keys:
            return {}
        raise Refused("sink.cannot_ask", "A broker cannot be asked what it has been given.")

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        return self.ask(accepted, call=call)


__all__ = ["AmqpSink"]
