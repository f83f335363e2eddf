"""Writing to an OData V2 service, one document a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answer_rules import AnswerMeaning, AnswerReader, SuccessRule, excerpt, settled
from runtime.connectors.answers import Answer, at, named, said
from runtime.connectors.http import Response, header_of
from runtime.connectors.odata_v2.literals import predicate, text
from runtime.connectors.odata_v2.session import WHOLE, ODataSession, deadline, error_of, warnings_of
from runtime.connectors.odata_v2.settings import ODataSettings
from runtime.connectors.one_by_one import write_one_by_one
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

_UNREADABLE = "the answer to the lookup cannot be read"


class ODataSink:
    """Creates or updates. A lost answer is `unknown`; `ask` finds the document by the lookup field.

    Resending a create after a lost answer makes a second document (SAP support note 2931385), which is why nothing is
    resent here. A create is proven by its entity (`d`) with its reference, an update by 204 or by its entity. Where no
    reference is declared, the entity says which one it is by its address or its key.
    """

    business_reference = ""  # its lookup asks by a field of the document: `ask_by` names it
    ask_address = frozenset[str]()

    def __init__(self, settings: ODataSettings) -> None:
        if settings.operation == "update" and settings.match == "item" and not settings.match_field:
            raise Invalid(
                "connection.settings",
                "match = item needs 'match_field': the field of the document that holds the ETag.",
            )
        self.settings = settings
        self.reference = settings.reference or (settings.lookup.reference if settings.lookup else None)
        self.rules = AnswerReader(
            success=SuccessRule(required=["d"], empty=[204, 205] if settings.operation == "update" else []),
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=[],
            messages=[],
            reference=None,
        )
        self.session = ODataSession(settings)
        self.idempotency = Idempotency(settings.idempotency)
        self.max_batch = settings.max_batch
        self.holds = settings.lookup.holds if settings.lookup else dict[str, str]()
        self.write_address = frozenset(settings.key_fields if settings.operation == "update" else [])
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
        """One request per item, in order, within one deadline. Items that were not reached come back retriable."""
        until = deadline(call)
        return write_one_by_one(batch, until, lambda message: self._one(message, call.about(message), until))

    def _one(self, item: OutboundMessage, call: CallContext, until: float) -> WriteResult:
        settings = self.settings
        if settings.operation == "create":
            method, target, headers = "POST", settings.entity_set, dict[str, str]()
        else:
            method, target = settings.update_method, settings.entity_set + self._predicate(item)
            match = self._etag(target, item, call, until)
            headers = header_of("If-Match", match, "odata.match", "The ETag") if match else {}
        response = self.session.write(method, target, item.body, call=call, headers=headers, until=until)
        answer = Answer(response.status, response.headers, response.body)
        found = self._meaning(answer, item)
        return settled(
            item.key, found, answer, call=call, where=f"{method} {response.url}", warnings=warnings_of(response)
        )

    def _meaning(self, answer: Answer, item: OutboundMessage) -> AnswerMeaning:
        code, message = error_of(answer.body)
        found = self.rules.read(answer, "addressed" if item.own_address else "write", error=(code, message))
        if found.found == "again":
            return replace(found, message=message or "the entity has changed since it was read")
        if found.found != "confirmed" or not 200 <= answer.status < 300:
            return found
        if not answer.body and self.settings.operation == "update":
            return found
        entity = _entity_of(answer.document)
        reference = named(at(entity, self.reference or "__metadata.uri"))
        if self.reference and reference is None:
            return AnswerMeaning("unknown", None, code, f"the answer has no {self.reference!r}: {excerpt(answer)}")
        if not (reference or answer.location or self._has_key(entity, item)):
            return AnswerMeaning("unknown", None, code, f"the answer names no entity: {excerpt(answer)}")
        return replace(found, reference=reference or answer.location)

    def _has_key(self, entity: Mapping[str, Any], item: OutboundMessage) -> bool:
        """Whether the entity has its key, which for an update is that of the address. Leading zeros and capitals are
        the system's own."""
        keys = {name: named(entity.get(name)) for name in self.settings.key_fields}
        if not keys or None in keys.values():
            return False
        asked = item.address if self.settings.operation == "update" else {}
        return all(_bare(said(asked.get(name, value))) == _bare(str(value)) for name, value in keys.items())

    def _predicate(self, item: OutboundMessage) -> str:
        try:
            return predicate(self.settings.key_fields, item.address)
        except KeyError as error:
            raise Refused("odata.address", f"The item has no value for the key field {error.args[0]!r}.") from None

    def _etag(self, target: str, item: OutboundMessage, call: CallContext, until: float) -> str:
        if self.settings.match == "any":
            return "*"
        if self.settings.match == "item":
            return item.match or ""
        response = self.session.get(
            target,
            call=call,
            params={"$format": "json", "$select": self.settings.key_fields[0]},
            until=until,
            own_address=item.own_address,
        )
        return response.headers.get("etag") or str(_metadata(response).get("etag") or "*")

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
                "$filter": " or ".join(f"{lookup.field} eq {text(key)}" for key in part),
                "$select": ",".join(dict.fromkeys([lookup.field, lookup.reference, *lookup.holds])),
                "$format": "json",
            }
            rows, counted = list[Any](), 0
            while target:
                answer = _asked(self.session.get(target, call=call, params=params, until=until))
                page, target = _page_of(answer)
                rows, counted, params = rows + page, max(counted, _count_of(answer)), None
            if counted > len(rows):
                raise Retriable(f"the answer to the lookup counts {counted} entities and shows {len(rows)}")
            not_asked = [key for row in rows if (key := self._collect(row, found)) is not None]
            for key in part if not_asked else ():
                if found[key] is None:  # under another spelling of its name it may be there all the same
                    words = f"the answer has no {key!r}, but {not_asked[0]!r}, which nobody asked for"
                    found[key] = WriteResult(key, "unknown", code="not_asked", message=words)
        return found

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        raise Refused("sink.cannot_ask", "OData V2 has no jobs to ask about.")

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


def _entity_of(document: Any) -> Mapping[str, Any]:
    """The one entity of an answer, also where it stands alone in `results`; empty where there is none."""
    entity = document.get("d") if isinstance(document, dict) else None
    entity = entity.get("results", entity) if isinstance(entity, dict) else None
    if isinstance(entity, list) and len(entity) == 1:
        entity = entity[0]
    return entity if isinstance(entity, dict) else {}


def _bare(key: str) -> str:
    return key.lstrip("0").casefold()


def _asked(response: Response) -> dict[str, Any]:
    """The answer to a question. Raises Retriable where it proves nothing."""
    answer = Answer(response.status, response.headers, response.body)
    if doubt := WHOLE.doubt_about(answer):
        raise Retriable(f"the answer to the lookup proves nothing: {doubt}")
    if not isinstance(answer.document, dict) or not isinstance(answer.document.get("d"), dict):
        raise Retriable(_UNREADABLE)
    made: dict[str, Any] = answer.document
    return made


def _page_of(answer: dict[str, Any]) -> tuple[list[Any], str | None]:
    """The entities of an answer and where it goes on. Raises Retriable."""
    rows, following = answer["d"].get("results"), answer["d"].get("__next")
    if not isinstance(rows, list) or not isinstance(following, str | None):
        raise Retriable(_UNREADABLE)
    return rows, following


def _count_of(answer: dict[str, Any]) -> int:
    """How many entities an answer says that there are; 0 where it does not say. Raises Retriable."""
    counted = answer["d"].get("__count", answer.get("@odata.count"))
    try:
        return 0 if counted is None else int(counted)
    except (ValueError, TypeError):
        raise Retriable(_UNREADABLE) from None


def _with_row(key: str, found: Asked, reference: str, row: dict[str, Any], holds: Mapping[str, str]) -> Asked:
    """What is known of a key with one more entity: all references, and what each entity holds."""
    before = found.reference if isinstance(found, WriteResult) else found
    named_so = reference if before is None else f"{before},{reference}"
    if not holds:
        return named_so
    held = {sent: said(row[member]) for member, sent in holds.items() if row.get(member) is not None}
    documents = [*found.documents, held] if isinstance(found, WriteResult) else [held]
    return WriteResult(key, "confirmed", named_so, documents=documents)


def _metadata(response: Response) -> dict[str, Any]:
    try:
        about = msgspec.json.decode(response.body)["d"]["__metadata"]
        return about if isinstance(about, dict) else {}
    except (ValueError, KeyError, TypeError):
        return {}
