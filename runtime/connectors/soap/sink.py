"""Writing by SOAP: one message a call. A fault, a log with severities, an answer that comes later are told apart."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from runtime.connectors.answer_rules import AnswerMeaning, AnswerReader, SuccessRule, settled
from runtime.connectors.answers import Answer, at, every, first, kept, named, plain, said
from runtime.connectors.http import Response
from runtime.connectors.outcomes import CallKind, fault, meaning
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    CallError,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    WriteResult,
    health_of,
)
from runtime.connectors.rest.sink import RestSink
from runtime.connectors.soap.messages import NoEnvelope, SoapMessages, body_of, decoded, message_uuid
from runtime.connectors.soap.settings import SoapLookup, SoapSettings
from runtime.domain.json_paths import steps

_CANNOT = "This connection has no lookup; an unknown outcome has to be decided by a person."
_KEPT = ("location", "retry-after", "date")
_CREDENTIALS = (
    "FailedAuthentication",
    "FailedCheck",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "SecurityTokenUnavailable",
)
_ADDRESS = ("ActionNotSupported", "DestinationUnreachable", "ProcedureNotPresent")
_XML = ("text/xml", "application/soap+xml", "application/xml")


class SoapReader(AnswerReader):
    """Reads answers that `_told` has made of envelopes. A fault is under `Fault`."""

    def __init__(self, settings: SoapSettings) -> None:
        success = SuccessRule()
        required = [*settings.required, *([settings.reference] if settings.reference else [])]
        super().__init__(
            success=msgspec.structs.replace(success, required=required, empty=[*success.empty, 200]),
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=["Fault.code"],
            messages=["Fault.message"],
            reference=settings.reference or None,
        )
        self.log = settings.log

    def read(self, answer: Answer, kind: CallKind, *, error: tuple[str, str] | None = None) -> AnswerMeaning:
        code, words = error or self.error(answer)
        document = answer.document
        if any(rule.fits(answer.status, code, document, answer) for rule in self.rules):
            return super().read(answer, kind, error=(code, words))
        if meaning(answer.status, kind) == "not_now":
            return super().read(answer, kind, error=(code, words))
        if isinstance(document, dict) and isinstance(document.get("Fault"), dict):
            return self._of_fault(document["Fault"], answer)
        refused = self.entries(document, refused=True)
        if refused:
            return AnswerMeaning(
                "refused", None, refused[0][0] or "soap.log", "; ".join(text for _, text in refused)[:500]
            )
        return super().read(answer, kind, error=(code, words))

    def _of_fault(self, given: dict[str, Any], answer: Answer) -> AnswerMeaning:
        """`Client` says that the message was wrong; `Server` says nothing of what was done."""
        code, subcode, words = said(given.get("code")), said(given.get("subcode")), said(given.get("message"))
        detail = plain(given.get("detail")) or _first_text(given.get("detail"))
        shown = f"{words}: {detail}" if detail and detail not in words else words
        if subcode in _CREDENTIALS or answer.status in (401, 403):
            return AnswerMeaning("credentials", None, code, shown)
        if subcode in _ADDRESS:
            return AnswerMeaning("address", None, code, shown)
        if code in ("VersionMismatch", "MustUnderstand", "DataEncodingUnknown"):
            return AnswerMeaning("address", None, code, shown)
        if code == "Client":
            return AnswerMeaning("refused", None, subcode or code, shown)
        if answer.status in self.nothing_done:
            return AnswerMeaning("not_now", None, code, shown)
        return AnswerMeaning("unknown", None, subcode or code or "Fault", shown or "a fault without a word")

    def entries(self, document: Any, *, refused: bool) -> list[tuple[str, str]]:
        """(code, words) of the entries of the log that say so."""
        log = self.log
        if log is None or document is None:
            return []
        found = [one for those in every(document, log.items) for one in (those if isinstance(those, list) else [those])]
        wanted = log.refused if refused else log.warning
        return [
            (plain(one.get(log.code)), plain(one.get(log.message)))
            for one in found
            if isinstance(one, dict) and plain(one.get(log.severity)) in wanted
        ]


class SoapSink(RestSink):
    def __init__(self, settings: SoapSettings) -> None:
        super().__init__(settings.of_writing())
        self.given, self.reader_of = settings, SoapReader(settings)
        self.rules = self.reader_of
        self.idempotency = Idempotency(settings.idempotency)
        self.messages = SoapMessages(settings.wsdl, settings.service, settings.port)
        self.messages.needs(settings.operation, "/operation")
        if settings.lookup is not None:
            self.messages.needs(settings.lookup.operation, "/lookup/operation")

    def check(self, *, call: CallContext) -> Health:
        """Signs in with a question about nothing. Writes nothing."""
        if self.given.lookup is None:
            return Health(True, "nothing to check without 'lookup'; the first write will show", looked=False)
        try:
            self._asked(self.given.lookup, "0", call, time.monotonic() + call.deadline)
        except CallError as error:
            return health_of(error)
        return Health(True, "signed in, writes are possible")

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        document, number = decoded(item.body), message_uuid(item.sent_key)
        if self.given.message_id and isinstance(document, dict):
            _put(document, self.given.message_id, number)
        response = self._posted(self.given.operation, document, number, call, until, effect=True)
        answer = _told(response)
        found = self.reader_of.read(answer, "write")
        if found.found == "accepted" or (found.found == "confirmed" and not response.body.strip()):
            path = self.given.accepted_as
            found = AnswerMeaning("accepted", named(at(document, path)) if path else number, found.code)
        shown = [
            f"{text} [{code}]" if code else text
            for code, text in self.reader_of.entries(answer.document, refused=False)
        ]
        return settled(item.key, found, answer, call=call, where=f"POST {response.url}", warnings=shown)

    def _posted(
        self, operation: str, document: Any, number: str, call: CallContext, until: float, *, effect: bool
    ) -> Response:
        given = self.given
        to = str(self.session.http.url(given.path))
        number = f"urn:uuid:{number}" if given.addressing and number else ""
        content, headers = self.messages.written(operation, document, message_id=number, to=to)
        return self.session.send(
            "POST",
            given.path,
            call=call,
            effect=effect,
            headers={"Accept": ", ".join(_XML), **headers},
            content=content,
            until=until,
            alone=effect and self.settings.writes_alone,
        )

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        if self.given.lookup is None or by == "reference":
            raise Refused("sink.cannot_ask", _CANNOT)
        return self._all(keys, self.given.lookup, call)

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        """By the id of the message. What is not there yet may still come: nothing is said of it."""
        if self.given.lookup is None:
            raise Refused("sink.cannot_ask", _CANNOT)
        return {key: one for key, one in self._all(accepted, self.given.lookup, call).items() if one is not None}

    def documents(self, keys: Sequence[str], **more: Any) -> None:
        """The lookup asks about one message, and lists none."""
        return None

    def _all(self, keys: Sequence[str], lookup: SoapLookup, call: CallContext) -> dict[str, Asked]:
        until, found = time.monotonic() + call.deadline, dict[str, Asked]()
        for key in dict.fromkeys(keys):
            document = self._asked(lookup, key, call, until)
            those = [
                one for part in every(document, lookup.found) for one in (part if isinstance(part, list) else [part])
            ]
            entries = [one for one in those if isinstance(one, dict) and plain(at(one, lookup.match)) == key]
            answers = [_of_entry(key, one, lookup, call) for one in entries]
            if not answers:
                found[key] = None
            elif all(one == answers[0] for one in answers):
                found[key] = answers[0]
        return found

    def _asked(self, lookup: SoapLookup, key: str, call: CallContext, until: float) -> Any:
        """What a question is answered. Raises what it means, Retriable where it proves nothing."""
        response = self._posted(lookup.operation, _with_key(lookup.request, key), "", call, until, effect=False)
        answer = _told(response)
        document = answer.document
        if isinstance(document, dict) and isinstance(given := document.get("Fault"), dict):
            found = self.reader_of._of_fault(given, answer)
            words = call.secrets.redact(found.message)
            if found.found in ("credentials", "address"):
                raise fault(found.found, f"{call.secrets.redact(response.url)} answered a fault ({words})")
            if found.found == "refused":
                raise Refused("soap.question", words, status=400)
            raise Retriable(f"the question was answered by a fault: {words}")
        self.session.refuse(response, call=call, effect=False)
        if response.status != 200 or not isinstance(document, dict) or not document:
            raise Retriable("the answer to the question proves nothing: it is no envelope with a body")
        if refused := self.reader_of.entries(document, refused=True):
            raise Retriable(f"the answer to the question has errors: {refused[0][1]}")
        return document


def _of_entry(key: str, entry: dict[str, Any], lookup: SoapLookup, call: CallContext) -> WriteResult:
    reference, status = (
        named(plain(at(entry, lookup.reference))),
        plain(at(entry, lookup.status)) if lookup.status else "",
    )
    shown, words = (
        kept(entry, call.secrets.redact),
        call.secrets.redact(first(entry, [lookup.message])) if lookup.message else "",
    )
    for word, those in (("accepted", lookup.pending), ("declined", lookup.declined), ("refused", lookup.refused)):
        if status and status in those:
            made: Any = word
            return WriteResult(key, made, key if word == "accepted" else reference, status, words, answer=shown)
    if reference is None:
        return WriteResult(key, "unknown", None, status, words or "what was found names nothing", answer=shown)
    return WriteResult(key, "confirmed", reference, status, answer=shown)


def _told(response: Response) -> Answer:
    """An answer whose envelope is read; as it came, where it is none."""
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    given = Answer(response.status, response.headers, response.body)
    if not response.body.strip():
        return Answer(response.status, {**_of(response.headers)}, b"")
    if media not in _XML or given.is_html:
        return given
    try:
        document, found = body_of(response.body)
    except NoEnvelope as error:
        return Answer(response.status, {"content-type": "text/plain", **_of(response.headers)}, str(error).encode())
    document = {**document, "Fault": found} if found is not None else document
    headers = {"content-type": "application/json", **_of(response.headers)}
    return Answer(response.status, headers, msgspec.json.encode(document))


def _of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _KEPT if name in headers}


def _put(document: dict[str, Any], path: str, value: str) -> None:
    """Sets a member of a document, unless the mapping has."""
    *way, last = steps(path)
    place: Any = document
    for step in way:
        place = place.setdefault(step, {}) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.setdefault(last, value)


def _with_key(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return value.replace("{key}", key)
    if isinstance(value, dict):
        return {name: _with_key(one, key) for name, one in value.items()}
    return [_with_key(one, key) for one in value] if isinstance(value, list) else value


def _first_text(value: Any) -> str:
    """The first words within a detail."""
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, str) and one:
            return one[:300]
        waiting += list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
    return ""


__all__ = ["SoapReader", "SoapSink"]
