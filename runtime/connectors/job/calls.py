"""The calls of a job: making it, asking what became of it, fetching a part of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from kernel import authorities
from runtime.connectors.addresses import path_of
from runtime.connectors.answer_rules import excerpt
from runtime.connectors.answers import Answer, at, at_list, first, named, said
from runtime.connectors.failure_marks import doubt_by_head, is_empty
from runtime.connectors.http import Response
from runtime.connectors.job.row_formats import OddRow, nested, rows_in
from runtime.connectors.job.settings import JobCall, JobPhase, JobResults, JobSettings
from runtime.connectors.protocols import CallContext, Refused, Retriable
from runtime.connectors.rest.page_rules import is_nothing
from runtime.connectors.rest.session import RestSession

StateWord = Literal["open", "working", "done", "failed", "odd"]
_EXPIRED = (400, 401, 403, 404, 410)  # of an address that was given for a time: storage services answer so after it


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job is. `status`: its own word; `document`: what the last phase says; `job`: the job of that phase."""

    word: StateWord
    status: str
    code: str
    message: str
    document: Any
    job: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class JobPart:
    """One part of a result. `place`: that of the next one, None at the end; `lines`: how many rows it came as."""

    rows: list[bytes | OddRow]
    place: str | None
    url: str
    lines: int


class Expired(Exception):
    """The address of a part is no longer served."""


class JobCalls:
    def __init__(self, settings: JobSettings, session: RestSession) -> None:
        self.settings, self.session = settings, session

    def made(self, given: Mapping[str, str], *, call: CallContext, until: float) -> str:
        """A new job. Raises what an answer means that names none."""
        response = self.send(self.settings.submit, given, call=call, until=until)
        return self.name_in(response, call)

    def name_in(self, response: Response, call: CallContext) -> str:
        answer = Answer(response.status, response.headers, response.body)
        path = self.settings.id
        name = named(at(answer.document, path)) if path else answer.location
        if not name:
            where, words = repr(path) if path else "Location", call.secrets.redact(excerpt(answer))
            raise Refused("job.no_name", f"The answer {response.status} names no job at {where}: {words}")
        return name

    def send(self, one: JobCall, given: Mapping[str, str], *, call: CallContext, until: float, **more: Any) -> Response:
        """A call on the way of a job that has no effect of its own. Raises what its status means."""
        content = more.pop("content", None)
        if content is None and one.body is not None:
            content = msgspec.json.encode(filled(one.body, given))
        response = self.session.send(
            one.method,
            path_of(one.path, given),
            call=call,
            effect=more.pop("effect", False),
            headers=one.headers,
            content=content,
            until=until,
        )
        self._refuse(response, call)
        return response

    def _refuse(self, response: Response, call: CallContext) -> None:
        """Raises what the rules of this service say of an answer, else what its status means."""
        is_nothing(self.settings.reads, self.settings.errors, response, call)
        self.session.refuse(response, call=call, effect=False)

    # -- asking ----------------------------------------------------------------------------------------------------

    def state(self, job: str, *, call: CallContext, until: float) -> JobState:
        """What became of a job: that of the first phase that is not done, else of the last one."""
        last = self.settings.phases[-1]
        for phase in self.settings.phases:
            found = self._phase(job, phase, call, until)
            if found.word != "done" or not phase.next:
                return found
            following = named(at(found.document, phase.next))
            if following is None:
                return JobState("working", found.status, "", "the next phase has not begun", found.document, job)
            job = following
            if phase is last:
                break
        return replace(found, job=job)

    def _phase(self, job: str, phase: JobPhase, call: CallContext, until: float) -> JobState:
        path = path_of(phase.path, {"job": job}) if phase.path else job
        content = None if phase.body is None else msgspec.json.encode(filled(phase.body, {"job": job}))
        method = "GET" if content is None else "POST"
        response = self.session.send(method, path, call=call, effect=False, content=content, until=until)
        self._refuse(response, call)
        answer = Answer(response.status, response.headers, response.body)
        document, redact = answer.document, call.secrets.redact
        status = said(at(document, phase.status)) if isinstance(document, dict) else ""
        problem = "" if isinstance(document, dict) else "it is no object of JSON"
        if not problem and (twice := answer.named_twice()):
            problem = f"it names {twice!r} twice in one object"
        if not problem and not status and not is_empty(document.get("errors")):
            problem = f"it says {redact(first(document, ['errors.message', 'errors']))[:300]}"
        if not problem and not (answer.status == 202 and status in phase.working):
            problem = doubt_by_head(answer)
        if problem:
            raise Retriable(f"the answer to the job proves nothing: {problem}")
        words: list[tuple[StateWord, list[str]]] = [
            ("done", phase.done),
            ("working", phase.working),
            ("failed", phase.failed),
            ("open", phase.open),
        ]
        word: StateWord = next((word for word, those in words if status in those), "odd")
        rows = at(document, phase.rows) if phase.rows else None
        number = int(said(rows)) if rows is not None and said(rows).isascii() and said(rows).isdecimal() else None
        shown = redact(first(document, [phase.message]))
        return JobState(word, status, first(document, [phase.code]), shown, document, job, number)

    # -- results ---------------------------------------------------------------------------------------------------

    def part(self, job: str, state: JobState, place: str, *, call: CallContext, until: float) -> JobPart:
        """A part of the result; an empty `place` is the first. Raises Expired, and what a status means."""
        results = self.settings.results
        assert results is not None
        if results.links:
            return self._linked(results, state, place, call, until)
        params = {results.locator_param: place} if place else None
        path = path_of(results.path, {"job": job})
        response = self.session.send(
            "GET", path, call=call, effect=False, params=params, headers=_accept(results), until=until
        )
        self._refuse(response, call)
        following = response.headers.get(results.locator_header, "") if results.locator_header else ""
        rows, lines = self._rows(results, response)
        return JobPart(rows, None if following in ("", "null") else following, response.url, lines)

    def _linked(self, results: JobResults, state: JobState, place: str, call: CallContext, until: float) -> JobPart:
        given = at_list(state.document, results.links)
        links = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str) and one]
        number = int(place or 0)
        if not links and not number:
            return JobPart([], None, "", 0)  # a job that found nothing has no file
        if number >= len(links):
            raise Expired
        response = self._fetched(links[number], call, until)
        more = str(number + 1) if number + 1 < len(links) else None
        rows, lines = self._rows(results, response)
        return JobPart(rows, more, links[number].partition("?")[0], lines)

    def _fetched(self, link: str, call: CallContext, until: float) -> Response:
        """A file at an address that the service gave. Another host than its own gets no credentials."""
        own = not urlsplit(link).scheme or authorities.of_url(link) == authorities.of_url(self.settings.base_url)
        if own:
            response = self.session.send("GET", link, call=call, effect=False, headers={"Accept": "*/*"}, until=until)
        else:
            response = self.session.http.request(
                "GET", link, call=call, effect=False, headers={"Accept": "*/*"}, until=until
            )
        if response.status in _EXPIRED and not own:
            raise Expired
        self._refuse(response, call)
        return response

    def _rows(self, results: JobResults, response: Response) -> tuple[list[bytes | OddRow], int]:
        if response.status == 204:
            return [], 0
        answer = Answer(response.status, response.headers, response.body)
        if answer.is_html or answer.is_problem or response.status != 200:
            raise Retriable(f"the answer {response.status} is no part of a result")
        rows = rows_in(response.body, results.format, most=self.settings.max_response)
        told = response.headers.get(results.rows_header, "") if results.rows_header else ""
        if told.isascii() and told.isdecimal() and int(told) != len(rows):
            raise Retriable(f"a part of the result has {len(rows):,} rows, and says that it has {int(told):,}")
        return nested(rows, results.format), len(rows)


def filled(value: Any, given: Mapping[str, str]) -> Any:
    """A body whose texts have their values. Braces that name nothing stay as they are: a query may have some."""
    if isinstance(value, str):
        for name, one in given.items():
            value = value.replace("{" + name + "}", one)
        return value
    if isinstance(value, dict):
        return {name: filled(one, given) for name, one in value.items()}
    return [filled(one, given) for one in value] if isinstance(value, list) else value


def _accept(results: JobResults) -> dict[str, str]:
    return {"Accept": "text/csv" if results.format.kind == "csv" else "*/*"}


__all__ = ["Expired", "JobCalls", "JobPart", "JobState", "filled"]
