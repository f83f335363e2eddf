"""Reading a queue. What was given stays the broker's until it is stored; then it is told to forget it."""

from __future__ import annotations

import uuid
from collections import deque
from datetime import UTC, datetime
from typing import Any

from runtime.connectors.amqp.session import AmqpSession
from runtime.connectors.amqp.settings import AmqpSettings
from runtime.connectors.protocols import (
    CallContext,
    CallError,
    Cursor,
    Health,
    Page,
    Record,
    RejectedRecord,
    Resource,
    health_of,
)
from runtime.connectors.rawjson import KeyReader, unreadable
from runtime.connectors.stamps import said_of_wrong

QUIET = 0.05  # seconds without a message after which the broker is asked whether there are more
_CUT = 10_000  # bytes of a body that is too large


class AmqpSource:
    """The cursor names a connection and the last message that came over it. A `read` with it over the same connection
    tells the broker to forget everything up to there; over another one nothing has to be said: a broker gives what it
    was not told to forget once more, and the ledger knows it again by key and content."""

    def __init__(self, settings: AmqpSettings) -> None:
        settings.verify_source()
        self.settings = settings
        self.session = AmqpSession(settings)
        self.keys = KeyReader(settings.key_fields, settings.version_field or None)
        self.name, self.opened = uuid.uuid4().hex, 0
        self.waiting = deque[Any]()
        self.given, self.forgotten = 0, 0  # the highest message of this connection that was given, and let go of
        self.warnings: list[str] = []

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Looks at the queue and takes nothing from it."""
        try:
            with self.session.within(call) as channel:
                found = channel.queue_declare(self.settings.queue, passive=True)
        except CallError as error:
            return health_of(error)
        return Health(True, f"{found.message_count:,} messages wait in {self.settings.queue}")

    def discover(self, *, call: CallContext) -> list[Resource]:
        with self.session.within(call) as channel:
            channel.queue_declare(self.settings.queue, passive=True)
        return [Resource(self.settings.queue, self.settings.key_fields)]

    def read(self, cursor: Cursor | None, *, call: CallContext) -> Page:
        """At most `page_size` messages. A page without any says that the queue was empty; the one before is let go of
        by the reading that follows it, so a run ends with such a page."""
        if self.given > self._tag(cursor):
            self.session.close()  # what was given last was not stored: over a new connection it comes again
        with self.session.within(call) as channel:
            if self.opened != self.session.number:
                self._consume(channel)
            self._forget(channel, self._tag(cursor))
            given = self._given(channel)
            self.given = given[-1].delivery_info["delivery_tag"] if given else self.given
        now, records, rejected = datetime.now(UTC), list[Record](), list[RejectedRecord]()
        for message in given:
            made = self._record(message, now)
            (records if isinstance(made, Record) else rejected).append(made)  # type: ignore[arg-type]
        warnings, self.warnings = self.warnings, []
        records = self._believed(records, warnings)
        place = {"connection": self.place, "tag": self.given} if given else (cursor or {})
        return Page(records, place, not given, rejected, warnings, acknowledges=bool(given))

    @property
    def place(self) -> str:
        return f"{self.name}/{self.opened}"

    def _consume(self, channel: Any) -> None:
        queue = self.settings.queue
        others = channel.queue_declare(queue, passive=True).consumer_count
        if others:
            said = f"{others} other readers take messages from {queue}: what they take does not come here"
            self.warnings.append(said)
        self.waiting.clear()
        self.given, self.forgotten, self.opened = 0, 0, self.session.number
        channel.basic_qos(0, 2 * self.settings.page_size, False)
        channel.basic_consume(queue, callback=self.waiting.append)

    def _tag(self, cursor: Cursor | None) -> int:
        """The last message over this connection that is stored."""
        return int(cursor["tag"]) if cursor and cursor.get("connection") == self.place else 0

    def _forget(self, channel: Any, tag: int) -> None:
        """Tells the broker to forget what is stored."""
        if tag > self.forgotten:
            channel.basic_ack(tag, multiple=True)
            self.forgotten = tag

    def _given(self, channel: Any) -> list[Any]:
        """The next messages, as many as there are for one page."""
        most, asked = self.settings.page_size, -1
        while len(self.waiting) < most:
            if self.session.drain(QUIET):
                continue
            if channel.queue_declare(self.settings.queue, passive=True).message_count == 0 and asked == len(
                self.waiting
            ):
                break
            asked = len(self.waiting)
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]

    def _record(self, message: Any, now: datetime) -> Record | RejectedRecord:
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        name = str(message.properties.get("message_id") or "")
        origin = f"{self.settings.queue}: message {name or message.delivery_info['delivery_tag']}"
        if len(body) > self.settings.max_size:
            said = f"it has {len(body):,} bytes, and max_size is {self.settings.max_size:,}"
            return RejectedRecord(origin, said, body[:_CUT], cut=True)
        if reason := unreadable(body):
            return RejectedRecord(origin, reason, body)
        try:
            key, version, _ = self.keys.read(body) if self.keys.parts or self.keys.version else (None, None, ())
        except ValueError as error:
            return RejectedRecord(origin, f"it is no JSON object, or its key cannot be read: {error}", body)
        if not self.settings.key_fields:
            key = name or None
        if body.lstrip()[:1] != b"{":
            return RejectedRecord(origin, "it is no JSON object", body)
        if key is None:
            fields = ", ".join(self.settings.key_fields)
            said = f"a key field is missing ({fields})" if fields else "it has no message id; name 'key_fields'"
            return RejectedRecord(origin, said, body)
        return Record(key, body, now, version, origin=origin)

    def _believed(self, records: list[Record], warnings: list[str]) -> list[Record]:
        field, stamps = self.settings.version_field, self.settings.stamps
        wrong = stamps.wrong(one.version for one in records if one.version) if field else None
        if not wrong:
            return records
        warnings.append(said_of_wrong(field, wrong))
        return list(stamps.believed(records, wrong, None))


__all__ = ["AmqpSource"]
