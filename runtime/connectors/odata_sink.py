"""Writing to an OData service, in V2 and V4: one document a call, or several in one `$batch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from runtime.connectors.answer_rules import AnswerMeaning, AnswerReader, SuccessRule, excerpt, settled
from runtime.connectors.answers import Answer, at, named, said
from runtime.connectors.http import Response
from runtime.connectors.odata_batch import write_in_batch
from runtime.connectors.odata_calls import ChangeCall, NothingThere, change_of, predicate_of
from runtime.connectors.odata_dialect import ODataDialect
from runtime.connectors.odata_literals import literal
from runtime.connectors.odata_session import WHOLE, ODataSession, deadline, error_of, warnings_of
from runtime.connectors.odata_settings import ODataSettings
from runtime.connectors.one_by_one import write_one_by_one
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

_GONE = "it was not there"
_UNREADABLE = "the answer to the lookup cannot be read"


class ODataSink:
    """Creates, updates, deletes, or calls an action. A lost answer is `unknown`; `ask` finds the document by the lookup
    field.

    Resending a create after a lost answer makes a second document (SAP support note 2931385), which is why nothing is
    resent here. A create is proven by its entity (V2: `d`) with its reference, a change by 204 or by its entity. Where
    no reference is declared, the entity says which one it is by its address or its key.
    """

    business_reference = ""  # its lookup asks by a field of the document: `ask_by` names it
    ask_address = frozenset[str]()

    def __init__(self, settings: ODataSettings, dialect: ODataDialect) -> None:
        self.settings, self.dialect = settings, dialect
        self.reference = settings.reference or (settings.lookup.reference if settings.lookup else None)
        if settings.operation in ("delete", "action"):
            self.reference = settings.reference
        self.rules = AnswerReader(
            success=_success(settings, dialect),
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=[],
            messages=[],
            reference=None,
        )
        self.session = ODataSession(settings, dialect)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.holds = settings.lookup.holds if settings.lookup else dict[str, str]()
        self.write_address = frozenset(settings.key_fields if settings.addressed else [])
        self.match_field = settings.match_field
        self.not_sent = frozenset([*settings.not_sent, *([settings.match_field] if settings.match_field else [])])

    def close(self) -> None:
        self.session.close()

    def check(self, *, call: CallContext) -> Health:
        """Signs in and fetches a CSRF token: a write would get this far."""
        try:
            if self.settings.csrf:
                self.session.fetch(call, deadline(call))
            else:
                self.session.get("", call=call)
        except CallError as error:
            return health_of(error)
        return Health(True, "signed in, writes are possible")

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        """In order, within one deadline; one request per item, or one `$batch`. Items that were not reached come back
        retriable. Raises Refused where a `$batch` of which all or none is done was refused: nothing was."""
        until = deadline(call)
        if self.settings.batch != "no" and len(batch) > 1:
            return write_in_batch(self, batch, call, until)
        return write_one_by_one(batch, until, lambda message: self._one(message, call.about(message), until))

    def change(self, item: OutboundMessage, call: CallContext, until: float) -> ChangeCall:
        """The call that a message becomes; its ETag is read, where that is asked for. Raises Refused."""
        return change_of(self.settings, self.dialect, item, lambda target: self._etag(target, item, call, until))

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        operation = self.settings.operation
        try:
            change = self.change(item, call, until)
        except NothingThere:
            if operation == "delete":
                self._is_there(call, until)
                return WriteResult(item.key, "confirmed", message=_GONE)
            change = self._creation(item)
        answer = self._sent(change, call, until)
        if operation == "upsert" and answer.status in (404, 410) and not answer.is_html and change.method != "POST":
            change = self._creation(item)
            answer = self._sent(change, call, until)
        found = self.meaning(answer, item)
        if operation == "delete" and answer.status in (404, 410) and found.found == "message":
            self._is_there(call, until)
            found = AnswerMeaning("confirmed", None, "", _GONE)
            answer = Answer(204, {}, b"")
        where = f"{change.method} {self.session.root}{change.target}"
        return settled(item.key, found, answer, call=call, where=where, warnings=warnings_of(answer.headers))

    def _sent(self, change: ChangeCall, call: CallContext, until: float) -> Answer:
        response = self.session.write(
            change.method,
            change.target,
            change.body,
            call=call,
            headers=change.headers,
            params=change.params,
            until=until,
        )
        return Answer(response.status, response.headers, response.body)

    def _creation(self, item: OutboundMessage) -> ChangeCall:
        """What an upsert becomes where there is nothing to update: its document, with the key of its address."""
        document, types = _document(item.body), self.settings.key_types
        if not isinstance(document, dict):
            return ChangeCall("POST", self.settings.entity_set, item.body)
        key = {name: item.address[name] for name in self.settings.key_fields if name in item.address}
        more = {
            name: int(value) if types.get(name, "String").startswith("Int") else value
            for name, value in key.items()
            if name not in document
        }
        rest = item.body.strip()[1:]  # as it is written, so that no number is written in another way
        head = msgspec.json.encode(more)[:-1] + (b"," if more and document else b"")
        return ChangeCall("POST", self.settings.entity_set, head + rest)

    def _is_there(self, call: CallContext, until: float) -> None:
        """Raises what is wrong where the entity set itself is not there: then nothing says that an entity is gone."""
        params = {"$top": "1", "$select": self.settings.key_fields[0], **self.dialect.parameters}
        self.session.get(self.settings.entity_set, call=call, params=params, until=until)

    def meaning(self, answer: Answer, item: OutboundMessage) -> AnswerMeaning:
        """What an answer, or a part of a `$batch`, says about a message."""
        settings = self.settings
        code, message = error_of(answer.body)
        addressed = item.own_address and settings.addressed
        found = self.rules.read(answer, "addressed" if addressed else "write", error=(code, message))
        if found.found == "again":
            return replace(found, message=message or "the entity has changed since it was read")
        if found.found != "confirmed" or not 200 <= answer.status < 300:
            return found
        place = answer.location or answer.headers.get("odata-entityid") or None
        if not answer.body and (settings.operation in ("update", "upsert", "delete", "action") or place):
            return found if settings.operation != "create" else replace(found, reference=place)
        entity = self.dialect.entity_of(answer.document)
        reference = named(at(entity, self.reference) if self.reference else self.dialect.address_of(entity))
        if self.reference and reference is None:
            return AnswerMeaning("unknown", None, code, f"the answer has no {self.reference!r}: {excerpt(answer)}")
        if settings.operation in ("delete", "action"):
            return replace(found, reference=reference or place)
        if not (reference or place or self._has_key(entity, item)):
            return AnswerMeaning("unknown", None, code, f"the answer names no entity: {excerpt(answer)}")
        return replace(found, reference=reference or place or self._key_of(entity))

    def _key_of(self, entity: Mapping[str, Any]) -> str | None:
        """The key of an entity as its reference, as it stands in the address."""
        try:
            return predicate_of(self.settings, self.dialect, entity)
        except (Refused, KeyError):
            return None

    def _has_key(self, entity: Mapping[str, Any], item: OutboundMessage) -> bool:
        """Whether the entity has its key, which for an update is that of the address. Leading zeros and capitals are
        the system's own."""
        keys = {name: named(entity.get(name)) for name in self.settings.key_fields}
        if not keys or None in keys.values():
            return False
        asked = item.address if self.settings.addressed else {}
        return all(_bare(said(asked.get(name, value))) == _bare(str(value)) for name, value in keys.items())

    def _etag(self, target: str, item: OutboundMessage, call: CallContext, until: float) -> str:
        if self.settings.match in ("any", "none"):
            return "*" if self.settings.match == "any" else ""
        if self.settings.match == "item":
            return item.match or ""
        try:
            response = self.session.get(
                target,
                call=call,
                params={**self.dialect.parameters, "$select": self.settings.key_fields[0]},
                until=until,
                own_address=item.own_address,
            )
        except (Refused, ConnectionFault) as error:
            if self.settings.operation in ("upsert", "delete") and error.status in (404, 410):
                raise NothingThere(error.message) from error
            raise
        return response.headers.get("etag") or self.dialect.etag_of(_document(response.body)) or "*"

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        """Which of our references the system knows: key → its document number (several joined by comma), None where
        there is none."""
        lookup = self.settings.lookup
        if lookup is None or by == "reference":
            raise Refused(
                "sink.cannot_ask", "This connection has no lookup; an unknown outcome has to be decided by a person."
            )
        until = deadline(call)
        found: dict[str, Asked] = dict.fromkeys(keys)
        entity_set = lookup.entity_set or self.settings.entity_set
        for start in range(0, len(keys), lookup.batch):
            part = keys[start : start + lookup.batch]
            target: str | None = entity_set
            params: dict[str, Any] | None = {
                "$filter": " or ".join(f"{lookup.field} eq {self._asked_as(key)}" for key in part),
                "$select": ",".join(dict.fromkeys([lookup.field, lookup.reference, *lookup.holds])),
                **self.dialect.parameters,
            }
            rows, counted = list[Any](), 0
            while target:
                page, target, count = self._page_of(self.session.get(target, call=call, params=params, until=until))
                rows, counted, params = rows + page, max(counted, count), None
            if counted > len(rows):
                raise Retriable(f"the answer to the lookup counts {counted} entities and shows {len(rows)}")
            not_asked = [key for row in rows if (key := self._collect(row, found)) is not None]
            for key in part if not_asked else ():
                if found[key] is None:  # under another spelling of its name it may be there all the same
                    words = f"the answer has no {key!r}, but {not_asked[0]!r}, which nobody asked for"
                    found[key] = WriteResult(key, "unknown", code="not_asked", message=words)
        return found

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        raise Refused("sink.cannot_ask", "An OData service has no jobs to ask about.")

    def _asked_as(self, key: str) -> str:
        assert self.settings.lookup is not None
        try:
            return literal(key, self.settings.lookup.type, old=self.dialect.old)
        except ValueError as error:
            raise Refused("odata.lookup", f"The service cannot be asked about {key[:80]!r}: {error}.") from None

    def _page_of(self, response: Response) -> tuple[list[Any], str | None, int]:
        """The entities of the answer to a question, where it goes on (on the host that is spoken to, whatever the
        service calls itself), and how many it says there are. Raises Retriable where it proves nothing."""
        answer = Answer(response.status, response.headers, response.body)
        if doubt := WHOLE.doubt_about(answer):
            raise Retriable(f"the answer to the lookup proves nothing: {doubt}")
        found = self.dialect.page_of(answer.document)
        if found is None or not isinstance(found[0], list) or not isinstance(found[1], str | None):
            raise Retriable(_UNREADABLE)
        try:
            counted = 0 if found[2] is None else int(found[2])
        except (ValueError, TypeError):
            raise Retriable(_UNREADABLE) from None
        return found[0], found[1], counted

    def _collect(self, row: Any, found: dict[str, Asked]) -> str | None:
        """Stores what an entity says of a key; its key where nobody asked for it. Raises Retriable."""
        lookup = self.settings.lookup
        assert lookup is not None
        if not isinstance(row, dict) or not isinstance(row.get(lookup.field), str | int) or lookup.reference not in row:
            raise Retriable(_UNREADABLE)
        key = said(row[lookup.field])
        if key not in found:
            return key
        before, reference = found[key], named(row[lookup.reference])
        if reference is None or (isinstance(before, WriteResult) and before.status == "unknown"):
            words = f"what is there has no {lookup.reference!r}"
            found[key] = WriteResult(key, "unknown", code="no_reference", message=words)
        else:
            found[key] = _with_row(key, before, reference, row, lookup.holds)
        return None


def _success(settings: ODataSettings, dialect: ODataDialect) -> SuccessRule:
    """V4 has no envelope: what an entity of V4 calls `status` or `result` is its own matter, and `error` alone is a
    failure."""
    if settings.operation == "action":
        return SuccessRule(empty=[200, 204, 205], absent=["error"], unless={})
    if dialect.old:
        return SuccessRule(required=["d"], empty=[] if settings.operation == "create" else [204, 205])
    return SuccessRule(empty=[204, 205], absent=["error"], unless={})


def _bare(key: str) -> str:
    return key.lstrip("0").casefold()


def _with_row(key: str, found: Asked, reference: str, row: dict[str, Any], holds: Mapping[str, str]) -> Asked:
    """What is known of a key with one more entity: all references, and what each entity holds."""
    before = found.reference if isinstance(found, WriteResult) else found
    named_so = reference if before is None else f"{before},{reference}"
    if not holds:
        return named_so
    held = {sent: said(row[member]) for member, sent in holds.items() if row.get(member) is not None}
    documents = [*found.documents, held] if isinstance(found, WriteResult) else [held]
    return WriteResult(key, "confirmed", named_so, documents=documents)


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
