"""Writing to a topic. A record is there once all replicas in sync have it; what was not confirmed may be there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition, errors

from kernel import clock
from runtime.connectors.kafka.session import KafkaSession, bounded, milliseconds_left
from runtime.connectors.kafka.settings import KafkaSettings
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    WriteResult,
    health_of,
)
from runtime.connectors.rounds import write_in_rounds
from runtime.connectors.settings import wrong_setting
from runtime.domain.templates import NoName, fill, names_in, problem_of

HEADER = "idempotency-key"
_NOT_APPENDED = (errors.NotEnoughReplicasError, errors.LeaderNotAvailableError, errors.NotLeaderForPartitionError)


class KafkaSink:
    def __init__(self, settings: KafkaSettings) -> None:
        if problem := problem_of(settings.key):
            raise wrong_setting("/key", problem)
        self.settings = settings
        self.session = KafkaSession(settings)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.write_address = frozenset(names_in(settings.key))
        self.business_reference, self.match_field = "", ""
        self.ask_address, self.not_sent = frozenset[str](), frozenset[str]()
        self.asks_by = "idempotency_key" if settings.idempotency == "L" else ""  # what the header holds
        self.producer: Any = None

    def close(self) -> None:
        """Without waiting: what is not confirmed yet has been answered as unknown."""
        producer, self.producer = self.producer, None
        if producer is not None:
            self.session.close(producer.abort)
            self.session = KafkaSession(self.settings)

    def check(self, *, call: CallContext) -> Health:
        try:
            with self.session.told(call):
                found = self._partitions(call, time.monotonic() + call.deadline)
        except CallError as error:
            self.close()
            return health_of(error)
        return Health(True, f"signed in; {self.settings.topic} has {len(found)} partitions")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        """All are handed over, then their confirmations are awaited; a later one of a key after the one before.
        Raises Retriable or ConnectionFault where nothing was handed over."""
        ends = time.monotonic() + call.deadline
        ends = ends if call.until is None else min(ends, call.until)
        return write_in_rounds(batch, lambda some: self._written(some, call, ends))

    def _written(self, batch: Sequence[OutboundMessage], call: CallContext, ends: float) -> list[WriteResult]:
        try:
            with self.session.told(call):
                self._partitions(call, ends)
        except CallError:
            self.close()
            raise
        producer = self.producer
        handed = [self._handed(producer, item, call) for item in batch]
        with suppress(errors.KafkaError, CallError):
            bounded(lambda: producer.flush(timeout=milliseconds_left(ends) / 1000), ends)
        results = [
            self._result(item, one, ends, call) if not isinstance(one, WriteResult) else one
            for item, one in zip(batch, handed, strict=True)
        ]
        if any(one.status == "unknown" or one.fault for one in results):
            self.close()  # what it still holds is not sent later, behind our back
        return results

    def _partitions(self, call: CallContext, ends: float) -> Any:
        return bounded(lambda: self._producer(call).partitions_for(self.settings.topic), ends)

    def _producer(self, call: CallContext) -> Any:
        if self.producer is None:
            options = self.session.options(call)
            options.pop("allow_auto_create_topics")
            milliseconds = options["request_timeout_ms"]
            self.producer = _Producer(
                **options,
                allow_auto_create_topics=False,
                acks="all",
                enable_idempotence=False,  # nothing is repeated here: what is not confirmed is the ledger's matter
                retries=0,
                max_in_flight_requests_per_connection=1,
                max_block_ms=milliseconds,
                delivery_timeout_ms=milliseconds,
                max_request_size=self.settings.max_size,
            )
        return self.producer

    def _handed(self, producer: Any, item: OutboundMessage, call: CallContext) -> Any:
        """The future of a record, or the result of one that cannot be sent."""
        headers = [(HEADER, item.sent_key.encode()), ("content-type", b"application/json")]
        if item.correlation_id:
            headers.append(("correlation-id", item.correlation_id.encode()))
        if item.traceparent:
            headers.append(("traceparent", item.traceparent.encode()))
        try:
            key = fill(self.settings.key, (item.address or {}).get) if self.settings.key else item.key
            return producer.send(self.settings.topic, value=bytes(item.body), key=key.encode(), headers=headers)
        except NoName as error:
            said = f"The record's key needs a value for {error.name!r}; {error.why}."
            return WriteResult(item.key, "refused", code="address", message=said)
        except errors.KafkaError as error:
            return self._failed(item, error, call, handed=False)

    def _result(self, item: OutboundMessage, future: Any, ends: float, call: CallContext) -> WriteResult:
        try:
            made = future.get(timeout=max(0.0, ends - time.monotonic()))
        except errors.KafkaError as error:
            return self._failed(item, error, call, handed=True)
        return WriteResult(item.key, "confirmed", reference=f"{made.topic}[{made.partition}]@{made.offset}")

    def _failed(
        self, item: OutboundMessage, error: errors.KafkaError, call: CallContext, *, handed: bool
    ) -> WriteResult:
        found = self.session.said(error, call)
        if isinstance(found, Refused):
            return WriteResult(item.key, "refused", code=found.code, message=found.message)
        if isinstance(error, _NOT_APPENDED) or not handed:
            return WriteResult(item.key, "refused", code="not_sent", message=str(found), retry_after=5.0)
        return WriteResult(item.key, "unknown", code="no_answer", message=str(found))

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        """Looks the topic through, from its end to where it is older than `look_back`. A key that is not found is left
        out where the topic was not looked through so far."""
        if not keys:
            return {}
        if self.idempotency is not Idempotency.LOOKUP or by != "key":
            raise Refused("sink.cannot_ask", "Only the topic's own records can be asked: say idempotency 'L'.")
        ends = time.monotonic() + call.deadline
        session = KafkaSession(self.settings)  # apart from that of the producer
        options = session.options(call)
        consumer = None
        try:
            with session.told(call):
                consumer = KafkaConsumer(
                    **options,
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                    fetch_max_wait_ms=100,
                    max_partition_fetch_bytes=max(1024 * 1024, self.settings.max_size),
                )
                return bounded(lambda: self._looked_for(consumer, set(keys), ends), ends)
        finally:
            if consumer is not None:
                session.close(lambda: consumer.close(autocommit=False, timeout_ms=500))

    def _looked_for(self, consumer: Any, keys: set[str], ends: float) -> dict[str, Asked]:
        consumer.bootstrap(timeout_ms=milliseconds_left(ends))
        numbers = consumer.partitions_for_topic(self.settings.topic)
        if not numbers:
            raise errors.UnknownTopicOrPartitionError("the brokers know no partitions of it")
        parts = [TopicPartition(self.settings.topic, number) for number in sorted(numbers)]
        starts = consumer.beginning_offsets(parts, timeout_ms=milliseconds_left(ends))
        last = consumer.end_offsets(parts, timeout_ms=milliseconds_left(ends))
        at = {one: max(starts[one], last[one] - self.settings.most_looked_at) for one in parts}
        from_start = {one for one in parts if at[one] == 0}  # nothing was there before
        oldest: dict[TopicPartition, int] = {}
        consumer.assign(parts)
        for one in parts:
            consumer.seek(one, at[one])
        found = dict[str, Asked]()
        while any(at[one] < last[one] for one in parts):
            for one, records in consumer.poll(timeout_ms=min(500, milliseconds_left(ends))).items():
                for record in records:
                    oldest.setdefault(one, record.timestamp)
                    name = dict(record.headers or ()).get(HEADER, b"").decode("utf-8", "replace")
                    if name in keys:
                        found[name] = f"{record.topic}[{record.partition}]@{record.offset}"
            for one in parts:
                at[one] = max(at[one], consumer.position(one, timeout_ms=milliseconds_left(ends)))
        since = (clock.now().timestamp() - self.settings.look_back) * 1000
        if all(one in from_start or 0 < oldest.get(one, 0) <= since for one in parts):
            found |= dict.fromkeys(keys - set(found))
        return found

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        if not accepted:
            return {}
        raise Refused("sink.cannot_ask", "A broker takes nothing with a promise for later.")


class _Producer(KafkaProducer):  # type: ignore[misc]
    """The library's closing waits until everything is sent. What was not confirmed in time has been answered as
    unknown, and must not go out later."""

    aborted = False

    def flush(self, timeout: float | None = None) -> None:
        if not self.aborted:
            super().flush(timeout)

    def abort(self) -> None:
        self.aborted = True
        self._sender.force_close()
        self._sender.join(1.0)
        self.close(timeout=0)


__all__ = ["HEADER", "KafkaSink"]
