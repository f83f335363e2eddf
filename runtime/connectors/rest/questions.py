"""Asking a REST system what it has: by key, by business reference, or by the job that took it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from runtime.connectors.addresses import path_of
from runtime.connectors.answer_rules import FailureMarks
from runtime.connectors.answers import Answer, at, first, kept, named, plain, plain_name, said
from runtime.connectors.http import Response
from runtime.connectors.protocols import AskBy, Asked, CallContext, HeldDocument, Refused, Retriable, WriteResult
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestJob, RestLookup, RestSettings

_CANNOT = "This connection has no lookup; an unknown outcome has to be decided by a person."


class _NotSaid:
    """An entry that does not say what became of the message."""


class Questions:
    """The questions of one connection. An answer that cannot be read, or that calls itself a failure, tells nothing."""

    def __init__(self, settings: RestSettings, session: RestSession) -> None:
        self.settings, self.session = settings, session
        rule = settings.success
        unless = {path: values for path, values in rule.unless.items() if plain_name(path) != "status"}
        self.of_entry, self.of_page = FailureMarks(rule.absent, unless), FailureMarks(settings.page_errors, {})

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> dict[str, Asked]:
        found = dict[str, Asked]()
        for lookup, part, response in self._lookups(keys, call, address, by):
            answered = lookup.found if by == "key" else lookup.found_by_reference or lookup.references
            held, listed = self._held(response, answered, lookup), self._listed_beside(response, lookup)
            answers = {key: self._answer(key, held, lookup, call, listed) for key in part}
            found.update({key: answer for key, answer in answers.items() if not isinstance(answer, _NotSaid)})
        return found

    def documents(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> dict[str, Sequence[HeldDocument]] | None:
        """Every document under each name; None where the lookup lists none."""
        if self.settings.lookup is None or not self.settings.lookup.documents:
            return None
        found = dict[str, Sequence[HeldDocument]]()
        for lookup, part, response in self._lookups(keys, call, address, by):
            held = self._held(response, lookup.documents, lookup)
            found.update({key: _listed(held.get(key), lookup) for key in part})
        return found

    def _lookups(
        self, keys: Sequence[str], call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> Iterator[tuple[RestLookup, list[str], Response]]:
        """The question in parts, each with its answer."""
        lookup = self.settings.lookup
        if lookup is None or (by == "reference" and not lookup.references):
            raise Refused("sink.cannot_ask", _CANNOT)
        until, path = time.monotonic() + call.deadline, path_of(lookup.path, address)
        for start in range(0, len(keys), lookup.batch):
            part = list(keys[start : start + lookup.batch])
            wanted = list(dict.fromkeys(k.rpartition("@")[0] for k in part)) if lookup.versioned else part
            content = msgspec.json.encode({lookup.keys if by == "key" else lookup.references: wanted})
            response = self.session.send("POST", path, call=call, effect=False, content=content, until=until)
            self.session.refuse(response, call=call, effect=False)
            yield lookup, part, response

    def _held(self, response: Response, member: str, lookup: RestLookup) -> dict[str, Any]:
        """What the answer says that is there, by key. Raises Retriable where it does not say."""
        document = self._document(response, "lookup")
        found = document.get(member) if member and isinstance(document, dict) else document
        if isinstance(found, dict):
            return found
        if isinstance(found, list):
            return {said(entry.get(lookup.key)): entry for entry in found if isinstance(entry, dict)}
        raise Retriable("the answer to the lookup cannot be read")

    def _listed_beside(self, response: Response, lookup: RestLookup) -> dict[str, Any]:
        """The documents that an answer lists beside what was asked for, where something of them is compared."""
        if not lookup.compared or not lookup.documents:
            return {}
        listed = at(self._document(response, "lookup"), lookup.documents)
        return listed if isinstance(listed, dict) else {}

    def _document(self, response: Response, what: str) -> Any:
        answer = Answer(response.status, response.headers, response.body)
        if not answer.is_json:
            kind = "a page of HTML" if answer.is_html else "no JSON"
            raise Retriable(f"the answer to the {what} cannot be read: it is {kind}")
        if problem := self.of_page.found_in(answer.document):
            raise Retriable(f"the answer to the {what} is no whole one: {problem}")
        return answer.document

    def _answer(
        self, key: str, held: dict[str, Any], lookup: RestLookup, call: CallContext, listed: dict[str, Any]
    ) -> Asked | _NotSaid:
        identity, _, version = key.rpartition("@") if lookup.versioned else (key, "", "")
        entry = held.get(identity)
        if entry is None:
            return None
        documents = _compared([entry, *_entries(listed.get(identity))], lookup)
        if not isinstance(entry, dict):
            if lookup.versioned or isinstance(entry, bool | list):
                return _NotSaid()
            return WriteResult(key, "confirmed", said(entry), documents=documents) if documents else said(entry)
        if lookup.versioned and _older(entry.get(lookup.version), version):
            return None  # whatever it says of itself, it is not this state
        reference = named(first(entry, [lookup.reference or "id"])) or ""
        shown = kept(entry, call.secrets.redact)
        status = said(entry.get(lookup.status)) if lookup.status else ""
        for word, those in (("accepted", lookup.pending), ("declined", lookup.declined), ("refused", lookup.refused)):
            if status and status in those:
                words = first(entry, self.settings.errors.message)
                made: Any = word
                return WriteResult(key, made, reference or None, status, words, answer=shown)
        if problem := self.of_entry.found_in(entry):
            return WriteResult(key, "unknown", reference or None, status, problem, answer=shown)
        if lookup.versioned:
            there = entry.get(lookup.version)
            try:
                return f"{identity}@{there}" if int(str(there)) >= int(version) else None
            except ValueError:
                return _NotSaid()
        if lookup.reference and not reference:
            return _NotSaid()
        return WriteResult(key, "confirmed", reference, answer=shown, documents=documents)

    # -- what was accepted -----------------------------------------------------------------------------------------

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        """What became of jobs, by their references; what the target does not say is left out."""
        job = self.settings.job
        if job is None:
            raise Refused("sink.cannot_ask", "This connection has no 'job': what it accepted cannot be followed.")
        until, found = time.monotonic() + call.deadline, dict[str, Asked]()
        for reference in dict.fromkeys(accepted):
            path = path_of(job.path, {"job": reference}) if job.path else reference
            response = self.session.send("GET", path, call=call, effect=False, until=until)
            if response.status in (404, 410):
                continue  # a job that the target has forgotten says nothing about what it did
            self.session.refuse(response, call=call, effect=False)
            found[reference] = self._outcome(reference, self._document(response, "job"), job, call)
        return found

    def _outcome(self, reference: str, document: Any, job: RestJob, call: CallContext) -> WriteResult:
        status = said(at(document, job.status))
        code, words = first(document, [job.code]) or status, call.secrets.redact(first(document, [job.message]))
        named, shown = first(document, [job.reference]) or reference, kept(document, call.secrets.redact)
        if status in job.confirmed:
            return WriteResult(reference, "confirmed", named, code, answer=shown)
        if status in job.pending:
            return WriteResult(reference, "accepted", reference, code, words, answer=shown)
        if status in job.refused:
            return WriteResult(reference, "refused", named, code, words, answer=shown)
        words = words or f"the status {status!r} of the job is not known"
        return WriteResult(reference, "unknown", named, code, words, answer=shown)


def _older(there: Any, version: str) -> bool:
    try:
        return int(str(there)) < int(version)
    except ValueError:
        return False


def _listed(entries: Any, lookup: RestLookup) -> list[HeldDocument]:
    """Raises Retriable where the answer is no list of documents."""
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Retriable("the answer to the lookup lists no documents that can be read")
    return [
        HeldDocument(first(entry, [lookup.reference or ""]), _amount(entry, lookup), _holds(entry, lookup))
        for entry in entries
    ]


def _entries(listed: Any) -> list[Any]:
    return listed if isinstance(listed, list) else []


def _holds(entry: Any, lookup: RestLookup) -> dict[str, str]:
    """What a document says of what is compared, by the field of what is sent."""
    if not isinstance(entry, dict):
        return {}
    return {sent: text for member, sent in lookup.compared.items() if (text := _text(at(entry, member)))}


def _text(value: Any) -> str:
    return said(value) if isinstance(value, bool) else plain(value)


def _compared(entries: Sequence[Any], lookup: RestLookup) -> list[dict[str, str]]:
    return [held for entry in entries if (held := _holds(entry, lookup))]


def _amount(entry: dict[str, Any], lookup: RestLookup) -> Decimal | None:
    text = first(entry, [lookup.amount]) if lookup.amount else ""
    try:
        made = Decimal(text)
    except InvalidOperation:
        return None
    return made if made.is_finite() else None
