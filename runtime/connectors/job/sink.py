"""Writing by a job: a message each, or many with one upload. What was accepted is asked about until it is settled."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from runtime.connectors.addresses import path_of
from runtime.connectors.answer_rules import AnswerReader, settled
from runtime.connectors.answers import Answer, first, kept, named, said
from runtime.connectors.job.calls import JobCalls, JobState
from runtime.connectors.job.row_formats import OddRow, rows_in, written
from runtime.connectors.job.settings import JobRowResults, JobSettings, JobUpload
from runtime.connectors.protocols import (
    Asked,
    CallContext,
    ConnectionFault,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
)
from runtime.connectors.rest.sink import RestSink
from runtime.domain.retry import MESSAGE_NOT_NOW

_GONE = (404, 410)
_MEDIA = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


class JobSink(RestSink):
    """A message is accepted with the name of its job (`750…`, or its address); a row of an upload with job and key
    (`750…#T-1`)."""

    def __init__(self, settings: JobSettings) -> None:
        super().__init__(settings.of_writing())
        self.given, self.jobs = settings, JobCalls(settings, self.session)
        self.idempotency = Idempotency(settings.idempotency)
        self.of_results = AnswerReader(
            success=settings.success,
            answers=settings.answers,
            nothing_done=settings.nothing_done,
            codes=settings.errors.code,
            messages=settings.errors.message,
            reference=settings.reference,
        )

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        upload = self.given.upload
        if upload is None or not batch:
            return super().write(batch, call=call)
        return self._uploaded(batch, upload, call)

    def _uploaded(self, batch: Sequence[OutboundMessage], upload: JobUpload, call: CallContext) -> list[WriteResult]:
        """One job. Until it is started nothing is done, so what fails before can be sent again."""
        until, about = time.monotonic() + call.deadline, call.about(*batch)
        results, documents, named_so = dict[str, WriteResult](), dict[str, Mapping[str, Any]](), dict[str, str]()
        for item in batch:
            document = _document(item)
            key = named(document.get(upload.key))
            if key is None:
                words = f"the document has no {upload.key!r}, by which its result would be known"
                results[item.key] = WriteResult(item.key, "refused", code="job.no_key", message=words)
            elif key in documents:
                words = f"another message of this upload has the same {upload.key!r}"
                wait = MESSAGE_NOT_NOW.pause()
                results[item.key] = WriteResult(item.key, "refused", code="not_sent", message=words, retry_after=wait)
            else:
                documents[key], named_so[item.key] = document, key
        if documents:
            content = written(list(documents.values()), upload.format)
            job = self.jobs.made({}, call=about, until=until)
            self._brought(job, content, upload, about, until)
            for key, name in named_so.items():
                results[key] = WriteResult(key, "accepted", f"{job}#{name}")
        return [results[item.key] for item in batch]

    def _brought(self, job: str, content: bytes, upload: JobUpload, call: CallContext, until: float) -> None:
        """The rows, and the start. Where nobody knows whether it has started, the job says so when it is asked."""
        given = {"job": job}
        rows = upload.rows
        if "content-type" not in map(str.lower, rows.headers):
            headers = {**rows.headers, "Content-Type": _MEDIA[upload.format]}
            rows = msgspec.structs.replace(rows, headers=headers)
        try:
            self.jobs.send(rows, given, call=call, until=until, content=content, effect=upload.start is None)
            if upload.start is not None:
                self.jobs.send(upload.start, given, call=call, until=until, effect=True)
        except Unknown:
            return

    # -- asking ----------------------------------------------------------------------------------------------------

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        until, found = time.monotonic() + call.deadline, dict[str, Asked]()
        upload, jobs = self.given.upload, dict[str, list[str]]()
        for reference in dict.fromkeys(accepted):
            job = reference.rpartition("#")[0] if upload else reference
            jobs.setdefault(job or reference, []).append(reference)
        for job, references in jobs.items():
            try:
                state = self.jobs.state(job, call=call, until=until)
                found |= self._told(job, references, state, call, until)
            except ConnectionFault as error:
                if error.status not in _GONE:
                    raise  # a job that the service has forgotten says nothing about what it did
        return found

    def _told(
        self, job: str, references: list[str], state: JobState, call: CallContext, until: float
    ) -> dict[str, Asked]:
        if state.word == "open":
            return dict.fromkeys(references, None)
        if state.word == "working":
            return {one: WriteResult(one, "accepted", one, state.status, state.message) for one in references}
        if self.given.upload is not None and state.word in ("done", "failed"):
            return self._rows_told(job, references, self.given.upload, state, call, until)
        return {one: self._outcome(one, state, call, until) for one in references}

    def _outcome(self, reference: str, state: JobState, call: CallContext, until: float) -> Asked:
        shown, code = kept(state.document, call.secrets.redact), state.code or state.status
        if state.word == "failed":
            words = state.message or f"the job has failed ({state.status})"
            return WriteResult(reference, "refused", None, code, words, answer=shown)
        if state.word == "odd":
            words = state.message or f"the status {state.status!r} of the job is not known"
            return WriteResult(reference, "unknown", None, code, words, answer=shown)
        results = self.given.results
        if results is not None:
            return self._of_result(reference, state, call, until)
        if problem := self.rules.failures.found_in({k: v for k, v in state.document.items() if k != "status"}):
            return WriteResult(reference, "unknown", None, code, f"{state.status!r}, but {problem}", answer=shown)
        name = first(state.document, [self.given.reference]) if self.given.reference else state.job
        if not named(name):
            words = f"the job is done, and names nothing at {self.given.reference!r}"
            return WriteResult(reference, "unknown", None, code, words, answer=shown)
        return WriteResult(reference, "confirmed", name, code, answer=shown)

    def _of_result(self, reference: str, state: JobState, call: CallContext, until: float) -> Asked:
        """The answer to the message, kept by the service, read as if it had come at once."""
        results = self.given.results
        assert results is not None
        given = {"job": state.job}
        path = first(state.document, [results.links]) if results.links else path_of(results.path, given)
        if not path:
            words = f"the job is done, and its answer stands nowhere ({results.links!r})"
            return WriteResult(reference, "unknown", None, state.status, words)
        response = self.session.send("GET", path, call=call, effect=False, until=until)
        answer = Answer(response.status, response.headers, response.body)
        found = self.of_results.read(answer, "write")
        return settled(reference, found, answer, call=call, where=f"GET {response.url}")

    def _rows_told(
        self, job: str, references: list[str], upload: JobUpload, state: JobState, call: CallContext, until: float
    ) -> dict[str, Asked]:
        """What the lists of a job say of each row. One that stands in none, or in two that differ, is unknown."""
        told = dict[str, list[tuple[JobRowResults, dict[str, Any]]]]()
        for those in upload.results:
            for row in self._listed(job, those, call, until):
                if (key := named(row.get(upload.key))) is not None:
                    told.setdefault(key, []).append((those, row))
        made = dict[str, Asked]()
        for reference in references:
            rows = told.get(reference.rpartition("#")[2], [])
            if len({those.says for those, _ in rows}) == 1:
                made[reference] = _row_result(reference, *rows[0], call)
                continue
            words = "two lists of the job have it" if rows else f"the job ({state.status}) says nothing of this row"
            words = f"{words}: {state.message}" if state.message else words
            made[reference] = WriteResult(reference, "unknown", None, "job.no_result", words)
        return made

    def _listed(self, job: str, those: JobRowResults, call: CallContext, until: float) -> list[dict[str, Any]]:
        upload = self.given.upload
        assert upload is not None
        path = path_of(those.path, {"job": job})
        form = upload.result_format
        accept = {"Accept": "text/csv" if form.kind == "csv" else "*/*"}
        response = self.session.send("GET", path, call=call, effect=False, headers=accept, until=until)
        if response.status == 204:
            return []
        self.session.refuse(response, call=call, effect=False)
        if response.status != 200 or Answer(response.status, response.headers, response.body).is_html:
            raise Retriable(f"the answer {response.status} is no list of results")
        rows = rows_in(response.body, form, most=self.given.max_response)
        if odd := next((row for row in rows if isinstance(row, OddRow)), None):
            raise Retriable(f"a list of results has a row that cannot be read: {odd.reason}")
        try:
            return [msgspec.json.decode(row, type=dict[str, Any]) for row in rows if isinstance(row, bytes)]
        except ValueError as error:
            raise Retriable(f"a list of results has a row that cannot be read: {error}") from None


def _document(item: OutboundMessage) -> dict[str, Any]:
    try:
        return msgspec.json.decode(item.body, type=dict[str, Any])
    except ValueError:
        raise Refused("job.body", "The document is not a JSON object, so it is no row.") from None


def _row_result(reference: str, those: JobRowResults, row: dict[str, Any], call: CallContext) -> WriteResult:
    shown, redact = kept(row, call.secrets.redact), call.secrets.redact
    code, words = said(row.get(those.code) or ""), redact(said(row.get(those.message) or ""))
    name = named(row.get(those.reference)) if those.reference else None
    if those.says == "confirmed":
        if those.reference and name is None:
            words = f"the row names nothing at {those.reference!r}"
            return WriteResult(reference, "unknown", None, code, words, answer=shown)
        return WriteResult(reference, "confirmed", name or reference, code, answer=shown)
    wait = MESSAGE_NOT_NOW.pause() if those.says == "retry" else None
    return WriteResult(reference, "refused", name, code or "job.row", words, retry_after=wait, answer=shown)


__all__ = ["JobSink"]
