"""Asking a REST system what it has: by key, by business reference, or by the job that took it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from runtime.connectors.addresses import path_of
from runtime.connectors.answers import Answer, at, first, found_name, kept, named, plain, said
from runtime.connectors.failure_marks import FailureMarks, doubt_by_head
from runtime.connectors.partial_answers import goes_on
from runtime.connectors.protocols import AskBy, Asked, CallContext, HeldDocument, Refused, Retriable, WriteResult
from runtime.connectors.rest.session import RestSession
from runtime.connectors.rest.settings import RestJob, RestLookup, RestSettings
from runtime.domain.versions import is_older

_UNREADABLE = "the answer to the lookup cannot be read"
_CANNOT = "This connection has no lookup; an unknown outcome has to be decided by a person."


class _NotSaid:
    """An entry that does not say what became of the message."""


class Questions:
    """The questions of one connection. An answer that cannot be read, or that calls itself a failure, tells nothing."""

    def __init__(self, settings: RestSettings, session: RestSession) -> None:
        self.settings, self.session = settings, session
        rule = settings.success
        self.of_entry, self.of_job = FailureMarks(rule.absent, rule.unless), FailureMarks(settings.page_errors, {})
        self.whole = settings.whole_answers()
        self.done_job = settings.whole_answers(but=settings.job.status if settings.job else "")

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> dict[str, Asked]:
        found = dict[str, Asked]()
        for lookup, part, answered_by in self._lookups(keys, call, address, by):
            document = answered_by.document
            answered = lookup.found if by == "key" else lookup.found_by_reference or lookup.references
            held, listed = _held(document, answered, lookup), _listed_beside(document, lookup)
            not_asked = _holds_others(held, part, lookup) or _goes_on(answered_by, answered, len(held), lookup)
            for key in part:
                answer = self._answer(key, held, lookup, call, listed)
                if not isinstance(answer, _NotSaid) and (answer is not None or not not_asked):
                    found[key] = answer
        return found

    def documents(
        self, keys: Sequence[str], *, call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> dict[str, Sequence[HeldDocument]] | None:
        """Every document under each name; None where the lookup lists none."""
        if self.settings.lookup is None or not self.settings.lookup.documents:
            return None
        found = dict[str, Sequence[HeldDocument]]()
        for lookup, part, answered_by in self._lookups(keys, call, address, by):
            listed = _member(answered_by.document, lookup.documents)
            if not isinstance(listed, dict):
                raise Retriable(_UNREADABLE)
            more = _goes_on(answered_by, lookup.documents, len(listed), lookup)
            not_asked = _holds_others(listed, part, lookup) or more
            found.update({key: _listed(listed.get(key), lookup) for key in part if key in listed or not not_asked})
        return found

    def _lookups(
        self, keys: Sequence[str], call: CallContext, address: Mapping[str, str] | None, by: AskBy
    ) -> Iterator[tuple[RestLookup, list[str], Answer]]:
        """The question in parts, each with its answer. Raises Retriable where that proves nothing."""
        lookup = self.settings.lookup
        if lookup is None or (by == "reference" and not lookup.references):
            raise Refused("sink.cannot_ask", _CANNOT)
        until, path = time.monotonic() + call.deadline, path_of(lookup.path, address)
        for start in range(0, len(keys), lookup.batch):
            part = list(keys[start : start + lookup.batch])
            wanted = list(dict.fromkeys(_identity(key, lookup) for key in part))
            content = msgspec.json.encode({lookup.keys if by == "key" else lookup.references: wanted})
            response = self.session.send("POST", path, call=call, effect=False, content=content, until=until)
            self.session.refuse(response, call=call, effect=False)
            answer = Answer(response.status, response.headers, response.body)
            if doubt := self.whole.doubt_about(answer):
                raise Retriable(f"the answer to the lookup proves nothing: {doubt}")
            yield lookup, part, answer

    def _answer(
        self, key: str, held: dict[str, list[Any]], lookup: RestLookup, call: CallContext, listed: dict[str, Any]
    ) -> Asked | _NotSaid:
        """What all entries of a key say; nothing where they do not say the same."""
        identity = _identity(key, lookup)
        beside = _entries(listed.get(identity))
        answers = [self._of_one(key, entry, lookup, call, beside) for entry in held.get(identity, ())]
        if not answers:
            return None
        first_one = answers[0]
        if len(answers) == 1 or all(answer == first_one for answer in answers):
            return first_one
        confirmed = [a for a in answers if isinstance(a, WriteResult) and a.status == "confirmed"]
        if len(confirmed) < len(answers):
            return _NotSaid()
        names = ",".join(dict.fromkeys(one.reference for one in confirmed if one.reference))
        return replace(confirmed[0], reference=names, documents=[held for one in confirmed for held in one.documents])

    def _of_one(
        self, key: str, entry: Any, lookup: RestLookup, call: CallContext, beside: list[Any]
    ) -> Asked | _NotSaid:
        identity, _, version = key.rpartition("@") if lookup.versioned else (key, "", "")
        if entry is None:
            return None
        documents = _compared([entry, *beside], lookup)
        if not isinstance(entry, dict):
            name = found_name(entry)
            if lookup.versioned or name is None:
                return _NotSaid()
            return WriteResult(key, "confirmed", name, documents=documents) if documents else name
        older = is_older(said(entry.get(lookup.version)), version) if lookup.versioned else False
        if older is None:
            return _NotSaid()
        if older:
            return None  # whatever it says of itself, it is not this state
        reference = found_name(first(entry, [_reference(lookup)])) or ""
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
            return f"{identity}@{entry.get(lookup.version)}"
        if not reference and (lookup.reference or not documents):
            return _NotSaid()  # that an entry came is no proof: it may say that there is nothing
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
            answer = Answer(response.status, response.headers, response.body)
            found[reference] = self._outcome(reference, self._job(answer, job), job, call)
        return found

    def _job(self, answer: Answer, job: RestJob) -> dict[str, Any]:
        """What is said of a job; its lists of statuses read whether it failed. Raises Retriable."""
        problem = "" if answer.is_json else "it is a page of HTML" if answer.is_html else "it is no JSON"
        document = answer.document
        if not problem and not isinstance(document, dict):
            problem = "it is not an object"
        if not problem and (twice := answer.named_twice()):
            problem = f"it names {twice!r} twice in one object"
        if not problem and not (answer.status == 202 and said(at(document, job.status)) in job.pending):
            problem = doubt_by_head(answer)
        if problem:
            raise Retriable(f"the answer to the job proves nothing: {problem}")
        if problem := self.of_job.found_in(document):
            raise Retriable(f"the answer to the job is no whole one: {problem}")
        made: dict[str, Any] = document
        return made

    def _outcome(self, reference: str, document: Any, job: RestJob, call: CallContext) -> WriteResult:
        if other := _of_another(document, reference, job):
            words, shown = f"the answer is about job {other!r}", kept(document, call.secrets.redact)
            return WriteResult(reference, "unknown", reference, "no_result", words, answer=shown)
        status = said(at(document, job.status))
        code, words = first(document, [job.code]) or status, call.secrets.redact(first(document, [job.message]))
        named, shown = first(document, [job.reference]) or reference, kept(document, call.secrets.redact)
        if status in job.confirmed:
            if problem := self.done_job.failure_in(document):
                return WriteResult(reference, "unknown", named, code, f"{status!r}, but {problem}", answer=shown)
            return WriteResult(reference, "confirmed", named, code, answer=shown)
        if status in job.pending:
            return WriteResult(reference, "accepted", reference, code, words, answer=shown)
        if status in job.refused:
            return WriteResult(reference, "refused", named, code, words, answer=shown)
        words = words or f"the status {status!r} of the job is not known"
        return WriteResult(reference, "unknown", named, code, words, answer=shown)


def _of_another(document: Mapping[str, Any], reference: str, job: RestJob) -> str:
    """The job that an answer names, where it is another one than was asked for: that says nothing about ours. An `id`
    may be that of what was made, unless the settings say that it is the job's."""
    asked = {reference, unquote(urlsplit(reference).path.rstrip("/").rpartition("/")[2])}
    for member in (job.id, *_JOB_NAMES):
        name = named(at(document, member)) if member else None
        if name is not None and name not in asked:
            return name
    return ""


def _reference(lookup: RestLookup) -> str:
    """Where the target's own name of what it found stands. The key that was asked for, said again, is none."""
    return lookup.reference or ("id" if lookup.key != "id" else "")


_JOB_NAMES = ("job", "job_id", "jobId", "jobID", "jobid")


def _identity(key: str, lookup: RestLookup) -> str:
    return key.rpartition("@")[0] if lookup.versioned else key


def _held(document: Any, member: str, lookup: RestLookup) -> dict[str, list[Any]]:
    """The entries that an answer has of each key. Raises Retriable where one of them does not say of which."""
    found = _member(document, member)
    if isinstance(found, dict):
        return {key: [entry] for key, entry in found.items()}
    if not isinstance(found, list):
        raise Retriable(_UNREADABLE)
    held = dict[str, list[Any]]()
    for entry in found:
        key = entry.get(lookup.key) if isinstance(entry, dict) else None
        if isinstance(key, bool) or not isinstance(key, str | int | float):
            raise Retriable(f"{_UNREADABLE}: an entry has no {lookup.key!r}")
        held.setdefault(said(key), []).append(entry)
    return held


def _member(document: Any, member: str) -> Any:
    """A member of an answer; the answer itself where none is named or it is a list."""
    return document.get(member) if member and isinstance(document, dict) else document


def _holds_others(held: Mapping[str, Any], part: Sequence[str], lookup: RestLookup) -> bool:
    """Whether an answer speaks of something that nobody asked for: a key in another spelling is a key all the same, so
    what it does not speak of is not known to be missing."""
    return not held.keys() <= {_identity(key, lookup) for key in part}


def _goes_on(answer: Answer, member: str, shown: int, lookup: RestLookup) -> bool:
    """Whether an answer is one page of several, so that what it does not show may be on another one. Where the entries
    are the answer itself, their names are keys."""
    if lookup.whole or (not member and isinstance(answer.document, dict)):
        return False
    return bool(goes_on(answer, shown))


def _listed_beside(document: Any, lookup: RestLookup) -> dict[str, Any]:
    """The documents that an answer lists beside what was asked for, where something of them is compared."""
    if not lookup.compared or not lookup.documents:
        return {}
    listed = at(document, lookup.documents)
    return listed if isinstance(listed, dict) else {}


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
