"""Writing to a REST system, one item or one batch a call, and asking what has arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from kernel.errors import Invalid
from runtime.connectors.http import retry_after
from runtime.connectors.one_by_one import write_one_by_one
from runtime.connectors.protocols import (
    AskBy,
    CallContext,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
)
from runtime.connectors.rest.session import RestSession, at
from runtime.connectors.rest.settings import RestSettings
from runtime.domain.retry import MESSAGE_NOT_NOW


class RestSink:
    """The idempotency key goes where the vendor takes it: a header, a body member, or nowhere (class N: the body has
    the key)."""

    def __init__(self, settings: RestSettings) -> None:
        self.settings = settings
        self.session = RestSession(settings)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        lookup = settings.lookup
        self.business_reference = lookup.business_reference if lookup and lookup.references else ""
        if self.idempotency is Idempotency.KEY and not (
            settings.idempotency_header or settings.idempotency_field or settings.batch
        ):
            raise Invalid(
                "connection.settings",
                "Class K needs 'idempotency_header' or 'idempotency_field': where the key is sent.",
            )
        if self.idempotency is Idempotency.LOOKUP and settings.lookup is None:
            raise Invalid("connection.settings", "Class L needs 'lookup': how the target is asked.")

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in with a read: the lookup with no keys, or `check_path`. Writes nothing."""
        lookup = self.settings.lookup
        try:
            if self.settings.check_path:
                response = self.session.send("GET", self.settings.check_path, call=call, effect=False)
            elif lookup:
                body = msgspec.json.encode({lookup.keys: []})
                response = self.session.send("POST", self._path(lookup.path, {}), call=call, effect=False, content=body)
            else:
                return Health(True, "nothing to check without 'check_path' or 'lookup'; the first write will show")
            self.session.refuse(response, call=call, effect=False)
        except (Refused, Retriable) as error:
            return Health(False, str(error))
        return Health(True, "signed in, writes are possible")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        if not batch:
            return []
        if self.settings.batch:
            return self._batch(batch, call)
        until = time.monotonic() + call.deadline
        return write_one_by_one(batch, until, lambda message: self._one(message, call, until))

    # -- single ----------------------------------------------------------------------------------------------------

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        settings = self.settings
        headers = {settings.idempotency_header: item.sent_key} if settings.idempotency_header else {}
        if item.match:
            headers["If-Match"] = item.match
        path = self._path(settings.path, item.address)
        response = self.session.send(
            settings.method,
            path,
            call=call,
            effect=True,
            headers=headers,
            content=self._body(item),
            until=until,
            params=settings.parameters or None,
        )
        if response.status in settings.busy_status:
            code, message = self.session.error(response.body)
            wait = retry_after(response.headers) or MESSAGE_NOT_NOW.pause()
            return WriteResult(
                item.key, "refused", code=code or "busy", message=call.secrets.redact(message), retry_after=wait
            )
        if response.status in settings.duplicate_status:
            return WriteResult(item.key, "confirmed", response.headers.get("location"), code="duplicate")
        self.session.refuse(response, call=call, effect=True)
        try:
            reference = at(msgspec.json.decode(response.body), settings.reference) if response.body else None
        except ValueError:
            reference = None
        return WriteResult(item.key, "confirmed", None if reference is None else str(reference))

    def _body(self, item: OutboundMessage) -> bytes:
        """The mapped document as it is, with the key and the correlation id put in front where the vendor wants them
        inside."""
        given: dict[str, str] = {}
        if self.settings.idempotency_field:
            given[self.settings.idempotency_field] = item.sent_key
        if self.settings.correlation_field and item.correlation_id:
            given[self.settings.correlation_field] = item.correlation_id
        return _splice(item.body, given) if given else item.body

    def _path(self, template: str, address: Any) -> str:
        try:
            return template.format_map({name: quote(str(value), safe="") for name, value in address.items()})
        except KeyError as error:
            raise Refused(
                "rest.address", f"The item has no value for {error.args[0]!r}, which the path needs."
            ) from None

    # -- batch -----------------------------------------------------------------------------------------------------

    def _batch(self, batch: Sequence[OutboundMessage], call: CallContext) -> list[WriteResult]:
        """One call. No answer: every item is unknown, for a prefix may have been applied."""
        settings = self.settings.batch
        assert settings is not None
        addresses = {tuple(sorted(item.address.items())) for item in batch}
        if len(addresses) > 1:
            raise Invalid("sink.batch", "The items of one batch go to one address; split the batch by address.")
        path = self._path(self.settings.path, batch[0].address)
        content = msgspec.json.encode({settings.items: [msgspec.Raw(self._body(item)) for item in batch]})
        try:
            response = self.session.send(
                self.settings.method,
                path,
                call=call,
                effect=True,
                content=content,
                params=self.settings.parameters or None,
            )
            self.session.refuse(response, call=call, effect=True)
        except Unknown as error:
            return [WriteResult(item.key, "unknown", code="no_answer", message=error.reason) for item in batch]
        return self._results(batch, response.body)

    def _results(self, batch: Sequence[OutboundMessage], body: bytes) -> list[WriteResult]:
        settings = self.settings.batch
        assert settings is not None
        try:
            found = msgspec.json.decode(body)
            results = found.get(settings.results) if settings.results else found
        except (ValueError, AttributeError):
            results = None
        if not isinstance(results, list):
            return [
                WriteResult(i.key, "unknown", code="no_result", message="the answer has no list of results")
                for i in batch
            ]
        if settings.key:
            by_key = {str(r.get(settings.key)): r for r in results if isinstance(r, dict)}
            return [self._outcome(item, by_key.get(item.key)) for item in batch]
        if len(results) != len(batch):
            said = f"{len(results)} results for {len(batch)} items"
            return [WriteResult(i.key, "unknown", code="no_result", message=said) for i in batch]
        return [self._outcome(item, result) for item, result in zip(batch, results, strict=True)]

    def _outcome(self, item: OutboundMessage, result: Any) -> WriteResult:
        settings = self.settings.batch
        assert settings is not None
        if not isinstance(result, dict):
            return WriteResult(item.key, "unknown", code="no_result", message="the answer says nothing about this item")
        status = str(result.get(settings.status))
        reference = result.get(settings.reference)
        shown = None if reference is None else str(reference)
        code, message = str(result.get(settings.code) or status), str(result.get(settings.message) or "")
        if status in settings.confirmed:
            return WriteResult(item.key, "confirmed", shown, code=status)
        if status in settings.retriable or code in settings.retriable:
            return WriteResult(item.key, "refused", shown, code, message, retry_after=MESSAGE_NOT_NOW.pause())
        if status in settings.refused:
            return WriteResult(item.key, "refused", shown, code, message)
        return WriteResult(item.key, "unknown", shown, code, message or f"the status {status!r} is not known")

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, str | None]:
        """Which keys the target has: key → its reference, None where it does not have it. Raises Refused where it
        cannot be asked."""
        lookup = self.settings.lookup
        if lookup is None or (by == "reference" and not lookup.references):
            raise Refused(
                "sink.cannot_ask", "This connection has no lookup; an unknown outcome has to be decided by a person."
            )
        asked, answered = lookup.keys, lookup.found
        if by == "reference":
            asked, answered = lookup.references, lookup.found_by_reference or lookup.references
        until, found = time.monotonic() + call.deadline, dict[str, str | None]()
        path = self._path(lookup.path, address or {})
        for start in range(0, len(keys), lookup.batch):
            part = list(keys[start : start + lookup.batch])
            wanted = list(dict.fromkeys(k.rpartition("@")[0] for k in part)) if lookup.versioned else part
            content = msgspec.json.encode({asked: wanted})
            response = self.session.send("POST", path, call=call, effect=False, content=content, until=until)
            self.session.refuse(response, call=call, effect=False)
            held = self._held(response.body, answered)
            found.update({key: self._reference(key, held) for key in part})
        return found

    def _held(self, body: bytes, member: str) -> dict[str, Any]:
        lookup = self.settings.lookup
        assert lookup is not None
        try:
            document = msgspec.json.decode(body)
            found = document.get(member) if member else document
        except (ValueError, AttributeError):
            found = None
        if isinstance(found, dict):
            return found
        if isinstance(found, list):
            return {str(entry.get(lookup.key)): entry for entry in found if isinstance(entry, dict)}
        raise Retriable("the answer to the lookup cannot be read")

    def _reference(self, key: str, held: dict[str, Any]) -> str | None:
        lookup = self.settings.lookup
        assert lookup is not None
        identity, _, version = key.rpartition("@") if lookup.versioned else (key, "", "")
        entry = held.get(identity)
        if entry is None:
            return None
        if not lookup.versioned:
            value = at(entry, lookup.reference) if isinstance(entry, dict) else entry
            return "" if value is None else str(value)
        there = entry.get(lookup.version)
        try:
            return f"{identity}@{there}" if int(there) >= int(version) else None
        except (TypeError, ValueError):
            raise Retriable("the lookup gave no version that can be compared") from None


class RestDecision:
    """One question in a checkout (tax, fraud, price, loyalty): one try within the deadline, nothing repeated, nothing
    queued."""

    def __init__(self, settings: RestSettings) -> None:
        self.settings = settings
        self.session = RestSession(settings)

    def close(self) -> None:
        self.session.close()

    def decide(self, question: bytes, *, call: CallContext) -> bytes:
        """The body of the answer. Raises Retriable, Refused or Unknown; the caller's declared fallback decides then."""
        response = self.session.send(
            self.settings.method,
            self.settings.path,
            call=call,
            effect=True,
            content=question,
            params=self.settings.parameters or None,
        )
        self.session.refuse(response, call=call, effect=True)
        return response.body


def _splice(body: bytes, given: dict[str, str]) -> bytes:
    """Members in front of a JSON object, without reading or re-writing the rest of it."""
    inner = body.lstrip()
    if not inner.startswith(b"{"):
        raise Refused("rest.body", "The body is not a JSON object, so the idempotency key cannot be put into it.")
    rest = inner[1:].lstrip()
    head = msgspec.json.encode(given)[:-1]
    return head + (b"" if rest.startswith(b"}") else b",") + rest
