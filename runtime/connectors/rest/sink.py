"""Writing to a REST system, one item or one batch a call, and asking what has arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from kernel.errors import Invalid
from runtime.connectors.addresses import path_of
from runtime.connectors.answer_rules import AnswerMeaning, AnswerReader, settled
from runtime.connectors.answers import Answer
from runtime.connectors.http import Response, header_of
from runtime.connectors.one_by_one import write_one_by_one
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    Health,
    HeldDocument,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
    health_of,
)
from runtime.connectors.rest.items import BatchReader
from runtime.connectors.rest.questions import Questions
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.domain.retry import MESSAGE_NOT_NOW
from runtime.domain.templates import names_in


class RestSink:
    """The idempotency key goes where the vendor takes it: a header, a body member, or nowhere (class N: the body has
    the key)."""

    def __init__(self, settings: RestSettings, session: RestSession | None = None) -> None:
        if settings.idempotency == "K" and not (
            settings.idempotency_header or settings.idempotency_field or settings.batch
        ):
            raise wrong_setting(
                "/idempotency", "Class K needs 'idempotency_header' or 'idempotency_field': where the key is sent."
            )
        if settings.job and settings.batch:
            raise wrong_setting(
                "/job",
                "A job says nothing about the items of a batch: leave 'job' out, and ask about each by 'lookup'.",
            )
        lookup = settings.lookup
        if settings.idempotency == "L" and lookup is None:
            raise wrong_setting("/lookup", "Class L needs 'lookup': how the target is asked.")
        if lookup and lookup.references and not lookup.business_reference:
            raise wrong_setting(
                "/lookup/references",
                "A lookup with 'references' needs 'business_reference': where a document has its own.",
            )
        self.settings = settings
        self.rules = AnswerReader(
            success=settings.success,
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=settings.errors.code,
            messages=settings.errors.message,
            reference=settings.reference,
        )
        self.reader = BatchReader(settings.batch, self.rules, settings.idempotency_field) if settings.batch else None
        self.session = session or RestSession(settings)
        self.questions = Questions(settings, self.session)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.business_reference = lookup.business_reference if lookup and lookup.references else ""
        self.amount_sent = lookup.amount_sent if lookup and lookup.amount else ""
        self.holds = lookup.holds if lookup else dict[str, str]()
        self.write_address = frozenset(names_in(settings.path))
        self.ask_address = frozenset(names_in(lookup.path)) if lookup else frozenset[str]()
        self.match_field = settings.match_field
        self.not_sent = frozenset([*settings.not_sent, *([settings.match_field] if settings.match_field else [])])

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in with a read: the lookup with no keys, or `check_path`. Writes nothing."""
        lookup = self.settings.lookup
        try:
            if self.settings.check_path:
                response = self.session.send("GET", self.settings.check_path, call=call, effect=False)
            elif lookup and not self.ask_address:
                body = msgspec.json.encode({lookup.keys: []})
                response = self.session.send("POST", lookup.path, call=call, effect=False, content=body)
            else:
                said = "nothing to check without 'check_path' or 'lookup'; the first write will show"
                return Health(True, said, looked=False)
            self.session.refuse(response, call=call, effect=False)
        except CallError as error:
            return health_of(error)
        return Health(True, "signed in, writes are possible")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        if not batch:
            return []
        if self.reader:
            return self._batch(batch, call, self.reader)
        until = time.monotonic() + call.deadline
        return write_one_by_one(batch, until, lambda message: self._one(message, call.about(message), until))

    # -- single ----------------------------------------------------------------------------------------------------

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        settings = self.settings
        headers = dict[str, str]()
        if settings.idempotency_header:
            headers |= header_of(settings.idempotency_header, item.sent_key, "rest.key", "The key")
        if item.match:
            headers |= header_of("If-Match", item.match, "rest.match", "The ETag")
        response = self._send(item, call, self._body(item), headers, until)
        answer = Answer(response.status, response.headers, response.body)
        found = self.rules.read(answer, "addressed" if item.own_address else "write")
        if found.found not in ("declined", "confirmed", "accepted") and not answer.is_html:
            if response.status in settings.busy_status:
                found = AnswerMeaning("retry", None, found.code or "busy", found.message)
            elif response.status in settings.duplicate_status:
                found = AnswerMeaning("confirmed", answer.location or found.reference, "duplicate")
        return settled(item.key, found, answer, call=call, where=f"{settings.method} {response.url}")

    def _send(
        self, item: OutboundMessage, call: CallContext, content: bytes, headers: Mapping[str, str], until: float | None
    ) -> Response:
        """One write to the address of a message."""
        settings = self.settings
        return self.session.send(
            settings.method,
            path_of(settings.path, item.address),
            call=call,
            effect=True,
            params=settings.parameters or None,
            headers=headers,
            content=content,
            until=until,
            alone=settings.writes_alone,
        )

    def _body(self, item: OutboundMessage) -> bytes:
        """The mapped document as it is, with the key and the correlation id put in front where the vendor wants them
        inside."""
        given: dict[str, str] = {}
        if self.settings.idempotency_field:
            given[self.settings.idempotency_field] = item.sent_key
        if self.settings.correlation_field and item.correlation_id:
            given[self.settings.correlation_field] = item.correlation_id
        return _splice(item.body, given) if given else item.body

    # -- batch -----------------------------------------------------------------------------------------------------

    def _batch(self, batch: Sequence[OutboundMessage], call: CallContext, reader: BatchReader) -> list[WriteResult]:
        """One call. No answer: every item is unknown, for a prefix may have been applied."""
        if len({tuple(sorted(item.address.items())) for item in batch}) > 1:
            raise Invalid("sink.batch", "The items of one batch go to one address; split the batch by address.")
        content = msgspec.json.encode({reader.settings.items: [msgspec.Raw(self._body(item)) for item in batch]})
        try:
            response = self._send(batch[0], call, content, {}, None)
        except Unknown as error:
            return [WriteResult(item.key, "unknown", code="no_answer", message=error.reason) for item in batch]
        answer = Answer(response.status, response.headers, response.body)
        where = f"{self.settings.method} {response.url}"
        results = reader.results(answer)
        if results is not None:
            return reader.outcomes(batch, results, answer, call, where)
        found = self.rules.read(answer, "addressed" if batch[0].own_address else "write")
        if found.found == "confirmed" and response.ok:
            found = AnswerMeaning("unknown", None, "no_result", "the answer has no list of results")
        if len(batch) > 1 and found.found in ("message", "refused", "declined"):
            raise Refused(found.code or f"http.{response.status}", call.secrets.redact(found.message))
        if len(batch) > 1 and found.found in ("again", "retry"):
            raise Retriable(call.secrets.redact(found.message), after=found.wait or MESSAGE_NOT_NOW.pause())
        return [settled(item.key, found, answer, call=call, where=where) for item in batch]

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        """Which keys the target has: key → its reference, None where it does not have it. Raises Refused where it
        cannot be asked."""
        return self.questions.ask(keys, call=call, address=address, by=by)

    def documents(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Sequence[HeldDocument]] | None:
        """Every document under each name, None where the lookup does not list them. Raises as `ask` does."""
        return self.questions.documents(keys, call=call, address=address, by=by)

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        return self.questions.follow(accepted, call=call)


class RestDecision:
    """One question in a checkout (tax, fraud, price, loyalty): one try within the deadline, nothing repeated, nothing
    queued."""

    def __init__(self, settings: RestSettings) -> None:
        self.settings = settings
        self.session = RestSession(settings)

    def close(self) -> None:
        self.session.close()

    def decide(self, question: bytes, *, call: CallContext) -> bytes:
        """The body of the answer. Raises Retriable, Refused, Unknown or ConnectionFault; the caller's declared fallback
        decides then."""
        response = self.session.send(
            self.settings.method,
            self.settings.path,
            call=call,
            effect=True,
            content=question,
            params=self.settings.parameters or None,
        )
        self.session.refuse(response, call=call, effect=True)
        if not Answer(response.status, response.headers, response.body).is_json:
            raise Unknown("the answer to the question is no JSON")
        return response.body


def _splice(body: bytes, given: dict[str, str]) -> bytes:
    """Members in front of a JSON object, without reading or re-writing the rest of it."""
    inner = body.lstrip()
    if not inner.startswith(b"{"):
        raise Refused("rest.body", "The body is not a JSON object, so the idempotency key cannot be put into it.")
    rest = inner[1:].lstrip()
    head = msgspec.json.encode(given)[:-1]
    return head + (b"" if rest.startswith(b"}") else b",") + rest


__all__ = ["RestDecision", "RestSink"]
