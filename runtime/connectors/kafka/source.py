"""Reading a topic by offsets. They are the ledger's, stored with the records; the brokers keep none for us."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import UnknownTopicOrPartitionError

from runtime.connectors.kafka.session import KafkaSession, bounded, milliseconds_left
from runtime.connectors.kafka.settings import KafkaSettings
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    Cursor,
    Health,
    Page,
    Record,
    RejectedRecord,
    Resource,
    Retriable,
    health_of,
)
from runtime.connectors.rawjson import KeyReader, unreadable
from runtime.connectors.stamps import said_of_wrong

_CUT = 10_000  # bytes of a record that is too large
_FRAME = 5  # bytes of a registry of schemas: 0, and the number of the schema
DELETION = "it has no value: a deletion. This flow carries states alone; what was deleted stands in the key"


class KafkaSource:
    """The cursor is `{"offsets": {partition: the next offset}}`. What a topic no longer keeps is said as trouble, once,
    and the run fails; nothing is jumped over in silence."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.session = KafkaSession(settings)
        self.keys = KeyReader(settings.key_fields, settings.version_field or None)
        self.consumer: Any = None
        self.ends: dict[TopicPartition, int] = {}  # as far as a run reads
        self.at: dict[TopicPartition, int] = {}  # where the consumer stands

    def close(self) -> None:
        consumer, self.consumer = self.consumer, None
        self.ends, self.at = {}, {}
        if consumer is not None:
            self.session.close(lambda: consumer.close(autocommit=False, timeout_ms=500))
            self.session = KafkaSession(self.settings)

    def check(self, *, call: CallContext) -> Health:
        try:
            partitions = self._asked(call, lambda ends: self._partitions())
        except CallError as error:
            return health_of(error)
        return Health(True, f"{self.settings.topic} has {len(partitions)} partitions")

    def discover(self, *, call: CallContext) -> list[Resource]:
        found = sorted(self._asked(call, lambda ends: self.consumer.topics()))
        return [Resource(name, self.settings.key_fields if name == self.settings.topic else ()) for name in found]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """At most `page_size` records, up to where the topic ended when the run began."""
        trouble: list[str] = []
        at, found = self._asked(call, lambda ends: self._read(cursor, ends, trouble))
        now, records, rejected = datetime.now(UTC), list[Record](), list[RejectedRecord]()
        for one in found:
            made = self._record(one, now)
            (records if isinstance(made, Record) else rejected).append(made)  # type: ignore[arg-type]
        warnings = list[str]()
        records = self._believed(records, warnings)
        done = all(at[one] >= self.ends[one] for one in at)
        if done:
            self.ends = {}
        offsets = {str(one.partition): offset for one, offset in sorted(at.items())}
        return Page(records, {"offsets": offsets}, done, rejected, warnings, trouble="; ".join(trouble))

    def _asked(self, call: CallContext, work: Callable[[float], Any]) -> Any:
        """What `work` answers, given the end of the call in monotonic seconds. A consumer with which something went
        wrong is not used again."""
        ends = time.monotonic() + call.deadline
        ends = ends if call.until is None else min(ends, call.until)

        def opened_work() -> Any:
            self.opened(call).bootstrap(timeout_ms=milliseconds_left(ends))
            return work(ends)

        try:
            with self.session.told(call):
                return bounded(opened_work, ends)
        except BaseException:
            self.close()
            raise

    def _read(
        self, cursor: Cursor | None, ends: float, trouble: list[str]
    ) -> tuple[dict[TopicPartition, int], list[Any]]:
        partitions = self._partitions()
        if not self.ends or set(self.ends) != set(partitions):
            self.ends = self.consumer.end_offsets(partitions, timeout_ms=milliseconds_left(ends))
        at = self._places(cursor, partitions, milliseconds_left(ends), trouble)
        return at, self._given(at, ends)

    def opened(self, call: CallContext) -> Any:
        if self.consumer is None:
            self.consumer = KafkaConsumer(
                **self.session.options(call),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                fetch_max_wait_ms=100,
                max_partition_fetch_bytes=max(1024 * 1024, self.settings.max_size),
                receive_message_max_bytes=max(100_000_000, 2 * self.settings.max_size),
            )
        return self.consumer

    def _partitions(self) -> list[TopicPartition]:
        found = self.consumer.partitions_for_topic(self.settings.topic)
        if not found:
            raise UnknownTopicOrPartitionError("the brokers know no partitions of it")
        return [TopicPartition(self.settings.topic, number) for number in sorted(found)]

    def _places(
        self, cursor: Cursor | None, partitions: list[TopicPartition], milliseconds: int, trouble: list[str]
    ) -> dict[TopicPartition, int]:
        """Where each partition is read on. A partition that is new is read from its beginning."""
        known = (cursor or {}).get("offsets", {})
        starts = self.consumer.beginning_offsets(partitions, timeout_ms=milliseconds)
        at = dict[TopicPartition, int]()
        for one in partitions:
            wanted = int(known.get(str(one.partition), starts[one]))
            where = f"{one.topic}[{one.partition}]"
            if wanted < starts[one]:
                trouble.append(
                    f"{where}: offsets {wanted} to {starts[one] - 1} are gone, the topic no longer keeps them"
                )
                wanted = starts[one]
            elif wanted > self.ends[one]:
                said = (
                    f"{where} ends at {self.ends[one]} and was read up to {wanted}: it was made anew, or lost records"
                )
                trouble.append(f"{said}. It is read from its beginning")
                wanted = starts[one]
            at[one] = wanted
        for gone in sorted(int(number) for number in set(known) - {str(one.partition) for one in partitions}):
            trouble.append(f"{self.settings.topic}[{gone}] is not there any more: the topic was made anew")
        return at

    def _given(self, at: dict[TopicPartition, int], ends: float) -> list[Any]:
        """The next records; moves `at` behind them, over what transactions left without a record."""
        if at != self.at:  # else what came ahead is still there
            self.consumer.assign(list(at))
            for one, offset in at.items():
                self.consumer.seek(one, offset)
        found = list[Any]()
        while len(found) < self.settings.page_size and any(at[one] < self.ends[one] for one in at):
            if time.monotonic() >= ends or self.session.trouble:
                if found:
                    break
                raise Retriable("the deadline has passed before the brokers gave a record")
            wait = min(500, milliseconds_left(ends))
            given = self.consumer.poll(timeout_ms=wait, max_records=self.settings.page_size - len(found))
            for one, records in given.items():
                found += [record for record in records if record.offset < self.ends[one]]
            for one in at:
                at[one] = max(at[one], self.consumer.position(one, timeout_ms=wait))
        self.at = dict(at)
        for one in at:
            at[one] = min(at[one], self.ends[one])
        return found

    def _record(self, one: Any, now: datetime) -> Record | RejectedRecord:
        origin = f"{one.topic}[{one.partition}]@{one.offset}"
        name = bytes(one.key).decode("utf-8", "replace") if one.key else ""
        if one.value is None:
            return RejectedRecord(origin, DELETION, b"", name or None)
        body = bytes(one.value)
        if self.settings.framing == "schema_registry":
            if body[:1] != b"\0" or len(body) <= _FRAME:
                said = "no number of a schema stands before it, as 'framing' says"
                return RejectedRecord(origin, said, body[:_CUT], cut=len(body) > _CUT)
            body = body[_FRAME:]
        if len(body) > self.settings.max_size:
            said = f"it has {len(body):,} bytes, and max_size is {self.settings.max_size:,}"
            return RejectedRecord(origin, said, body[:_CUT], cut=True)
        if reason := unreadable(body):
            return RejectedRecord(origin, reason, body)
        if body.lstrip()[:1] != b"{":
            return RejectedRecord(origin, "it is no JSON object", body)
        try:
            key, version, _ = self.keys.read(body) if self.keys.parts or self.keys.version else (None, None, ())
        except ValueError as error:
            return RejectedRecord(origin, f"its key cannot be read: {error}", body)
        if not self.settings.key_fields:
            key = name or origin
        if key is None:
            said = f"a key field is missing ({', '.join(self.settings.key_fields)})"
            return RejectedRecord(origin, said, body)
        return Record(key, body, now, version, origin=origin)

    def _believed(self, records: list[Record], warnings: list[str]) -> list[Record]:
        field, stamps = self.settings.version_field, self.settings.stamps
        wrong = stamps.wrong(one.version for one in records if one.version) if field else None
        if not wrong:
            return records
        warnings.append(said_of_wrong(field, wrong))
        return list(stamps.believed(records, wrong, None))


__all__ = ["KafkaSource"]
