"""Settings of a connection whose service works in jobs: what starts one, how it is asked about, where its results are.

In texts of calls `{job}` stands for the job, `{since}` for where a run begins, `{until}` for the moment at which it
began.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import msgspec

from runtime.connectors.answer_rules import AnswerRule, SuccessRule
from runtime.connectors.job.row_formats import RowFormat
from runtime.connectors.rest.error_places import Errors
from runtime.connectors.rest.page_rules import PageRule
from runtime.connectors.rest.page_settings import ChangeFeed
from runtime.connectors.rest.settings import RestLookup, RestSettings
from runtime.connectors.settings import wrong_setting
from runtime.connectors.stamps import StampRules
from runtime.domain.json_paths import JsonPath
from runtime.domain.templates import names_in, problem_of

Method = Literal["GET", "POST", "PUT", "PATCH"]


class JobCall(msgspec.Struct, frozen=True):
    """One call on the way of a job. Texts of `path` and `body` are filled."""

    path: str
    method: Method = "POST"
    body: dict[str, Any] | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class JobPhase(msgspec.Struct, frozen=True):
    """How a job is asked what became of it. A service that works in two phases has two: the first one's success says
    only that the second one has begun.

    path     with `{job}`; empty: the job is the address itself (its Location)
    body     what is sent by POST, with `{job}` in its texts, where the service is asked so; without it GET
    status   where the answer says how it is
    working, done, failed, open  words of it. Any other is no word, and the run or the message waits for a person.
             `open`: the job was made, and nobody has started it: nothing is done
    next     where the answer of this phase names the job of the next one; until it does, it is at work. Of the last
             phase: where it names what `{job}` is in the paths of results, where that is another name
    code, message  where the answer says what is wrong
    rows     where it says how many rows the result has
    """

    status: JsonPath
    done: list[str]
    path: str = ""
    body: dict[str, Any] | None = None
    working: list[str] = msgspec.field(default_factory=list)
    failed: list[str] = msgspec.field(default_factory=list)
    open: list[str] = msgspec.field(default_factory=list)
    next: JsonPath = ""
    code: JsonPath = "code"
    message: JsonPath = "message"
    rows: JsonPath = ""


class JobResults(msgspec.Struct, frozen=True):
    """Where the rows are that a job has made.

    path            of the first part, with `{job}`
    links           instead: where the answer of the last phase has the addresses of the parts, one or a list of them.
                    Hosts of other names than the service's are `further_hosts` of its endpoint, and get no credentials
    locator_header, locator_param  a header of a part that names the next one, and the parameter that takes it; `null`
                    and nothing end it
    rows_header     a header of a part that says how many rows it has
    format          of the rows
    """

    path: str = ""
    links: JsonPath = ""
    locator_header: str = ""
    locator_param: str = "locator"
    rows_header: str = ""
    format: RowFormat = RowFormat()


class JobRowResults(msgspec.Struct, frozen=True):
    """A list of rows that a job of writing has dealt with, and what that says of each.

    path     with `{job}`
    says     `confirmed`, `refused`, or `retry` for those that it did not come to
    reference, code, message  columns of a row
    """

    path: str
    says: Literal["confirmed", "refused", "retry"]
    reference: str = ""
    code: str = ""
    message: str = ""


class JobUpload(msgspec.Struct, frozen=True):
    """How many messages go with one job: it is made (`submit`), gets its rows, and is started.

    rows     the call that brings them, with `{job}`
    start    the call that starts it; without it the rows do
    key      the column of a row by which its result is known again; each message has another value there
    format   of the rows that are sent: `csv` or `jsonl`
    results  lists of rows that the job has dealt with. A row that is in none is unknown
    result_format  of those lists
    """

    rows: JobCall
    key: str
    results: list[JobRowResults]
    start: JobCall | None = None
    format: Literal["csv", "jsonl"] = "csv"
    result_format: RowFormat = RowFormat()


class JobChanges(msgspec.Struct, frozen=True):
    """Incremental reading: `{since}` in `submit` is the highest value of `field` seen so far, less `overlap`.

    initial   where the first run begins
    operator  what the service makes of it: `ge`, or `gt`, which leaves out rows of the very moment
    literal   how it is written, where the call takes another form than the field has
    overlap   seconds, or units of a counter
    """

    field: JsonPath
    initial: str
    operator: Literal["ge", "gt"] = "ge"
    literal: Literal["", "date", "iso", "seconds", "milliseconds"] = ""
    overlap: float = 120.0


class JobSettings(msgspec.Struct, frozen=True):
    """submit   the call that makes a job. For single messages its body is the document
    id       where its answer names the job; empty: its `Location`
    phases   how the job is asked, one phase after the other
    poll     seconds between two questions
    results  where what it has read is. Of a single message: where the answer to it is kept (`path`, `links`), which
             is read as if it had come at once
    key_fields, version_field, changes, stamps  of the rows that are read
    upload   many messages with one job
    lookup   how the service is asked about a message whose job is not known
    check_path  what is read to see whether the sign-in works; without it only the first job shows
    reads    answers that this service is known to give to what has no effect of its own
    """

    OF_ROLE: ClassVar[dict[str, frozenset[str]]] = {
        "source": frozenset({"results", "key_fields", "version_field", "changes", "stamps", "poll"}),
        "sink": frozenset(
            [
                *("idempotency", "idempotency_header", "idempotency_field", "reference", "answers", "nothing_done"),
                *("success", "upload", "results", "max_batch", "not_sent", "correlation_field"),
                "lookup",
            ]
        ),
    }

    base_url: str
    submit: JobCall
    phases: list[JobPhase]
    id: JsonPath = ""
    poll: float = 15.0
    results: JobResults | None = None
    key_fields: list[JsonPath] = msgspec.field(default_factory=list)
    version_field: JsonPath | None = None
    changes: JobChanges | None = None
    stamps: StampRules = StampRules()
    reads: list[PageRule] = msgspec.field(default_factory=list)
    upload: JobUpload | None = None
    lookup: RestLookup | None = None
    check_path: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    idempotency: Literal["K", "N", "L", "U"] = "U"
    idempotency_header: str | None = None
    idempotency_field: str | None = None
    correlation_field: str | None = None
    reference: str | None = None
    success: SuccessRule = msgspec.field(default_factory=SuccessRule)
    answers: list[AnswerRule] = msgspec.field(default_factory=list)
    nothing_done: list[int] = msgspec.field(default_factory=list)
    max_batch: int = 100
    not_sent: list[str] = msgspec.field(default_factory=list)
    errors: Errors = msgspec.field(default_factory=Errors)
    auth: dict[str, Any] = msgspec.field(default_factory=dict)
    verify: bool | str = True
    further_hosts: list[str] = msgspec.field(default_factory=list)
    token_hosts: list[str] = msgspec.field(default_factory=list)
    max_response: int = 64 * 1024 * 1024
    charset: str | None = None

    def of_reading(self) -> RestSettings:
        """What is the same for every row that is read. Raises Invalid, with a pointer."""
        self._check(allowed={"since", "until"})
        if self.results is None or not (self.results.path or self.results.links):
            raise wrong_setting("/results", "Reading needs 'results' with 'path' or 'links': where the rows are.")
        named = {name for _, text in _texts(self.submit.body, "") for name in names_in(text)} | set(
            names_in(self.submit.path)
        )
        if "since" in named and self.changes is None:
            raise wrong_setting("/changes", "'submit' names {since}, so 'changes' has to say of which field.")
        if self.changes is not None and "since" not in named:
            raise wrong_setting("/submit", "'changes' are asked for by {since}, which 'submit' does not name.")
        changes = None
        if (given := self.changes) is not None:
            changes = ChangeFeed(
                param="since",
                field=given.field,
                initial=given.initial,
                operator=given.operator,
                literal=given.literal,
                overlap=given.overlap,
            )
        more = {"key_fields": self.key_fields, "version_field": self.version_field, "stamps": self.stamps}
        return self._common(changes=changes, reads=self.reads, **more)

    def of_writing(self) -> RestSettings:
        """What is the same for every document that is sent. Raises Invalid, with a pointer."""
        self._check(allowed=set())
        if self.submit.method == "GET":
            raise wrong_setting("/submit/method", "A job that writes is made by POST, PUT or PATCH.")
        if self.upload is not None and not self.upload.results:
            raise wrong_setting("/upload/results", "Rows need 'results': the lists by which each is known again.")
        if self.upload is not None and self.idempotency == "K":
            raise wrong_setting("/idempotency", "Rows of a job have no key of a call; by a key of their own, class N.")
        names = ("idempotency_header", "idempotency_field", "correlation_field", "answers", "nothing_done", "max_batch")
        made = {name: getattr(self, name) for name in (*names, "not_sent", "lookup")}
        success = msgspec.structs.replace(self.success, job=self.id or self.success.job)
        if self.upload is not None:
            return self._common(**made, success=success)
        headers = {**self.headers, **self.submit.headers}
        own = {"idempotency": self.idempotency, "method": self.submit.method, "headers": headers}
        return self._common(**made, **own, success=success)

    def _common(self, **more: Any) -> RestSettings:
        names = ("base_url", "headers", "auth", "verify", "further_hosts", "token_hosts", "max_response", "charset")
        common = {name: getattr(self, name) for name in (*names, "errors", "check_path")} | {"path": self.submit.path}
        return RestSettings(**{**common, **more})

    def _check(self, *, allowed: set[str]) -> None:
        if not self.phases:
            raise wrong_setting("/phases", "A job needs a phase: how it is asked what became of it.")
        for number, rule in enumerate(self.reads):
            rule.checked(f"/reads/{number}")
            if rule.says == "nothing":
                raise wrong_setting(f"/reads/{number}/says", "Of a job there is always something to say.")
        for number, phase in enumerate(self.phases):
            if not phase.done:
                raise wrong_setting(f"/phases/{number}/done", "A phase needs the words by which it is done.")
            if number + 1 < len(self.phases) and not phase.next:
                said = "Another phase follows, so this one has to say where it names the job of the next ('next')."
                raise wrong_setting(f"/phases/{number}/next", said)
            words = [*phase.working, *phase.done, *phase.failed, *phase.open]
            if len(set(words)) != len(words):
                raise wrong_setting(f"/phases/{number}", "A word of the status stands in two of its lists.")
        of_job: list[tuple[str, str]] = [(f"/phases/{n}/path", one.path) for n, one in enumerate(self.phases)]
        if self.results is not None:
            of_job.append(("/results/path", self.results.path))
        if self.upload is not None:
            of_job.append(("/upload/rows/path", self.upload.rows.path))
            of_job += [(f"/upload/results/{n}/path", one.path) for n, one in enumerate(self.upload.results)]
            if (start := self.upload.start) is not None:
                of_job += [("/upload/start/path", start.path), *_texts(start.body, "/upload/start/body")]
        of_submit = [("/submit/path", self.submit.path), *_texts(self.submit.body, "/submit/body")]
        for those, names in ((of_job, {"job"}), (of_submit, allowed)):
            for pointer, text in those:
                odd = [name for name in names_in(text) if name not in names]
                problem = problem_of(text) if pointer.endswith("path") else ""
                if problem or (odd and pointer.endswith("path")):
                    raise wrong_setting(pointer, problem or f"{text!r} names {odd[0]!r}, which nothing fills here.")


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, f"{pointer}/{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _texts(one, f"{pointer}/{number}")


__all__ = ["JobCall", "JobPhase", "JobResults", "JobRowResults", "JobSettings", "JobUpload"]
