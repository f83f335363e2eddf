"""What an answer to a write proves: the rules of a target, then the table of statuses, then the success rule.

All of it is data in the connection's settings (`success`, `answers`, `nothing_done`), with defaults that are strict: a
2xx that proves nothing is unknown, never confirmed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import msgspec

from kernel.errors import Invalid
from runtime.connectors.answers import Answer, at, every, first, kept, named, said
from runtime.connectors.failure_marks import FailureMarks, is_empty, says_nothing
from runtime.connectors.http import retry_after
from runtime.connectors.outcomes import FAULTS, CallKind, Meaning, error_for, fault, meaning
from runtime.connectors.protocols import CallContext, FaultKind, WriteResult
from runtime.connectors.selection import selection
from runtime.connectors.settings import wrong_setting
from runtime.domain.retry import MESSAGE_NOT_NOW
from runtime.domain.storable import is_storable

Says = Literal[
    "confirmed",
    "accepted",
    "declined",
    "refused",
    "retry",
    "not_now",
    "unknown",
    "item",
    "business",
    "duplicate",
    "connection",
]
_SAME = {"item": "refused", "business": "declined", "duplicate": "confirmed", "connection": "credentials"}
_HTML = ("text/html", "application/xhtml+xml")
_THERE_BEFORE = re.compile("duplic|exist|already|conflict", re.IGNORECASE)
_FAILED = ("error", "fail", "failed", "failure", "rejected")


class SuccessRule(msgspec.Struct, frozen=True):
    """What a 2xx answer must look like to be a proof. Paths are dotted; `*` is any member, lists are looked through.

    status    statuses that can prove success at all
    accepted  statuses that say: taken, and done later
    job       a path whose value says the same and names the job
    media     media types; with anything but JSON, `holds` says by which text a success is known. HTML is never one
    empty     statuses whose answer may be empty, or an object without a member (also 201 with a Location)
    required  paths that must be there and hold more than null, blanks or an empty text
    where     paths and the values that they must have, one of each list
    absent    paths that must be missing or empty: where errors stand, and flags that say so
    unless    paths and values by which a failure calls itself a success; `4xx` and `5xx` are all statuses of that class
              (of both: in any spelling, `ERROR_MESSAGE` is `errorMessage`, and in an envelope, `result.success`)
    holds, lacks  texts that the body must hold, one of them, and must not hold, for answers that are no JSON
    """

    status: list[int] = msgspec.field(default_factory=lambda: [200, 201, 203, 204, 205])
    accepted: list[int] = msgspec.field(default_factory=lambda: [202])
    job: str | None = None
    media: list[str] = msgspec.field(default_factory=lambda: ["application/json"])
    empty: list[int] = msgspec.field(default_factory=lambda: [204, 205])
    required: list[str] = msgspec.field(default_factory=list)
    where: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    absent: list[str] = msgspec.field(
        default_factory=lambda: [
            *("error", "errors", "errorCode", "errorMessage", "hasError", "hasErrors", "isError"),
            *("fault", "exception", "userErrors", "data.*.userErrors"),
        ]
    )
    unless: dict[str, list[Any]] = msgspec.field(
        default_factory=lambda: {
            **{key: [False, 0, "no", "n", "f", *_FAILED] for key in ("success", "isSuccess", "ok")},
            **{key: [*_FAILED, "4xx", "5xx"] for key in ("status", "result")},
            **{key: ["4xx", "5xx"] for key in ("statusCode", "httpStatus", "httpStatusCode")},
        }
    )
    holds: list[str] = msgspec.field(default_factory=list)
    lacks: list[str] = msgspec.field(default_factory=lambda: [":Fault>", "<Fault"])

    def checked(self) -> SuccessRule:
        """Itself. Raises Invalid where it could take anything for a success."""
        if any(one.lower() in _HTML for one in self.media):
            raise Invalid("connection.settings", "A page of HTML proves nothing: name another media type in 'success'.")
        if any(not _json(one.lower()) for one in self.media) and not self.holds:
            raise Invalid(
                "connection.settings",
                "A media type that is not JSON needs 'holds' in 'success': the text by which a success is known.",
            )
        return self


class AnswerConditions(msgspec.Struct, frozen=True, kw_only=True):
    """By what an answer is known. All conditions that are given must hold; the first rule that fits wins.

    status  HTTP statuses
    media   media types, without parameters
    codes   the vendor's code, as `errors.code` finds it (in a batch: the item's code or status)
    where   paths and the values that they must have, one of each list
    holds   texts of which the body holds one
    when    a JMESPath expression that finds something true: not null, false, empty
    """

    status: list[int] = msgspec.field(default_factory=list)
    media: list[str] = msgspec.field(default_factory=list)
    codes: list[str] = msgspec.field(default_factory=list)
    where: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    holds: list[str] = msgspec.field(default_factory=list)
    when: str = ""

    def checked(self, pointer: str) -> None:
        """Raises Invalid, with a pointer, for a rule that fits all, or an expression that is none."""
        if not (self.status or self.media or self.codes or self.where or self.holds or self.when):
            said = "A rule needs 'status', 'media', 'codes', 'where', 'holds' or 'when', or it fits all."
            raise wrong_setting(pointer, said)
        if self.when:
            selection(self.when, f"{pointer}/when")

    def fits(self, status: int | None, code: str, document: Any, answer: Answer | None) -> bool:
        if self.status and status not in self.status:
            return False
        if self.codes and code not in self.codes:
            return False
        if self.media and (answer is None or answer.media not in [one.lower() for one in self.media]):
            return False
        if self.where and not matches(document, self.where):
            return False
        if self.when and not _is_true(selection(self.when, "/when").of(document)):
            return False
        return not self.holds or (answer is not None and answer.holds(self.holds))


class AnswerRule(AnswerConditions, frozen=True, kw_only=True):
    """One answer that the target is known to give to a write, and what it means: before the table of statuses and
    before the success rule.

    says  `confirmed`, `accepted`, `declined` (also `business`), `refused` (also `item`), `retry` (this message, later),
          `not_now` (all of them, later), `unknown`; `duplicate`: it was there before; `connection`: a person has to
          correct the connection, and nothing was done
    wait  seconds, for `retry` and `not_now`
    """

    says: Says
    wait: float | None = None

    @property
    def word(self) -> Any:
        """What it says in the words of outcomes."""
        return _SAME.get(self.says, self.says)


def _is_true(value: Any) -> bool:
    """As JMESPath has it: 0 is true, what is empty is not."""
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))


@dataclass(frozen=True, slots=True)
class AnswerMeaning:
    """What an answer means. `found` is one of `Says`, or a meaning of the table that is no answer."""

    found: Says | Meaning
    reference: str | None = None
    code: str = ""
    message: str = ""
    wait: float | None = None
    fault: FaultKind | None = None


class AnswerReader:
    """Reads answers to writes by the rules of one connection."""

    def __init__(
        self,
        *,
        success: SuccessRule,
        answers: list[AnswerRule],
        nothing_done: list[int],
        codes: list[str],
        messages: list[str],
        reference: str | None,
    ) -> None:
        self.success = success.checked()
        self.failures = FailureMarks(success.absent, success.unless, of_write=True)
        self.rules = answers
        for number, rule in enumerate(answers):
            rule.checked(f"/answers/{number}")
        self.nothing_done = frozenset(nothing_done)
        self.codes, self.messages, self.reference = codes, messages, reference

    def error(self, answer: Answer) -> tuple[str, str]:
        return first(answer.document, self.codes), first(answer.document, self.messages)

    def read(self, answer: Answer, kind: CallKind, *, error: tuple[str, str] | None = None) -> AnswerMeaning:
        """What an answer to a write means. `error`: code and words of the vendor's error body, where they are not found
        by paths."""
        code, message = error or self.error(answer)
        shown = message or excerpt(answer)
        for rule in self.rules:
            if rule.fits(answer.status, code, answer.document, answer) and not (
                answer.is_html and rule.word in ("confirmed", "accepted")
            ):
                reference = self._reference(answer)
                if rule.says == "duplicate":
                    return AnswerMeaning("confirmed", reference or answer.location, "duplicate", shown)
                return AnswerMeaning(rule.word, reference, code, shown, rule.wait)
        if answer.status in self.nothing_done:
            return AnswerMeaning("not_now", None, code, shown)
        found = meaning(answer.status, kind)
        if answer.status < 500 and (answer.is_sign_in or answer.status in (302, 303)):
            # A fault of the connection, and no proof that nothing was done: asked about before it is sent again.
            where = f"sent on to {answer.location}" if answer.location else "answered by a page to sign in"
            return AnswerMeaning("unknown", None, code, where, fault="redirect")
        if found == "message" and kind == "addressed" and answer.is_html and meaning(answer.status, "write") in FAULTS:
            return AnswerMeaning(meaning(answer.status, "write"), None, code, shown)
        if found != "answer":
            return AnswerMeaning(found, None, code, shown)
        return self._proof(answer, code, shown)

    def doubt_about_batch(self, answer: Answer, around: Any) -> str:
        """Why an answer proves nothing that its results say was done; empty where it may. `around`: what it says beside
        its results."""
        rule, status = self.success, answer.status
        if status not in (*rule.status, *rule.accepted, 207):
            return f"the status {status} proves nothing"
        if answer.is_problem:
            return "the answer calls itself a problem"
        if not self._media_fits(answer):
            return f"the answer is {answer.media or 'of no media type'}, and {', '.join(rule.media)} was promised"
        missing = self._missing(answer.document)
        return missing or self.failures.found_in(around) or self._elsewhere(answer.document)

    def _missing(self, document: Any) -> str:
        paths = self.success.required
        missing = [path for path in paths if all(_is_blank(one) for one in every(document, path))]
        return f"the answer has nothing at {missing[0]!r}" if missing else ""

    def _elsewhere(self, document: Any) -> str:
        return "" if matches(document, self.success.where) else "the answer does not say what a success says"

    def _proof(self, answer: Answer, code: str, shown: str) -> AnswerMeaning:
        """Whether a 2xx proves success."""
        rule, status = self.success, answer.status
        if status not in rule.status and status not in rule.accepted:
            return AnswerMeaning("unknown", None, code, f"the status {status} proves nothing: {shown}")
        if problem := self._problem(answer):
            return AnswerMeaning("unknown", None, code, f"{problem}: {shown}" if shown else problem)
        reference = self._reference(answer)
        if status in rule.accepted:
            job = self._job(answer) or reference or answer.location
            if job and not is_storable(job):
                return AnswerMeaning("unknown", None, code, f"it cannot be asked about under this name: {shown}")
            return AnswerMeaning("accepted", job, code)
        if (job := self._job(answer)) is not None:
            return AnswerMeaning("accepted", job, code)
        if self.reference and reference is None:
            return AnswerMeaning("unknown", None, code, f"the answer has no reference at {self.reference!r}: {shown}")
        return AnswerMeaning("confirmed", reference, code)

    def _problem(self, answer: Answer) -> str:
        """Why the answer is no proof; empty where it is one."""
        rule = self.success
        if not answer.body:
            return "" if self._may_be_empty(answer) else f"the answer {answer.status} is empty"
        if answer.is_html:
            return "the answer is a page of HTML"
        if answer.is_problem:
            return "the answer calls itself a problem"
        if not self._media_fits(answer):
            promised = ", ".join(rule.media)
            return f"the answer is {answer.media or 'of no media type'}, and {promised} was promised"
        if _json(answer.media) or not answer.media:
            return self._json_problem(answer)
        if not answer.holds(rule.holds) or (rule.lacks and answer.holds(rule.lacks)):
            return "the answer does not say what a success says"
        return ""

    def _may_be_empty(self, answer: Answer) -> bool:
        """Whether the status of an answer proves something without a word."""
        rule = self.success
        has_place = answer.status == 201 and bool(answer.location)
        return answer.status in rule.empty or answer.status in rule.accepted or has_place

    def _json_problem(self, answer: Answer) -> str:
        rule, document = self.success, answer.document
        if not answer.is_json:
            return "the answer is not the JSON that it says it is"
        if missing := self._missing(document):
            return missing
        if not isinstance(document, dict) and not rule.required:
            return "the answer is not an object"
        if isinstance(document, dict) and says_nothing(document) and not self._may_be_empty(answer):
            return "the answer is an empty object"
        if twice := answer.named_twice():
            return f"the answer names {twice!r} twice in one object"
        return self.failures.found_in(document) or self._elsewhere(document)

    def _media_fits(self, answer: Answer) -> bool:
        given = answer.media
        if not given:
            return answer.is_json and any(_json(one) for one in self.success.media)
        return any(given == one.lower() or (_json(one.lower()) and _json(given)) for one in self.success.media)

    def _job(self, answer: Answer) -> str | None:
        value = at(answer.document, self.success.job) if self.success.job else None
        return None if is_empty(value) else said(value)

    def _reference(self, answer: Answer) -> str | None:
        """The target's name for what was written: at the declared path, else `id`; for an empty answer its Location."""
        value = at(answer.document, self.reference or "id")
        name = named(value)
        return answer.location if name is None and (not answer.body or not self.reference) else name


def settled(
    key: str, found: AnswerMeaning, answer: Answer, *, call: CallContext, where: str, warnings: Sequence[str] = ()
) -> WriteResult:
    """The result of one message. Raises Retriable (not now) or ConnectionFault: nothing was applied then, and the same
    would be said of every message."""
    redact = call.secrets.redact
    message, wait = redact(found.message), found.wait if found.wait is not None else retry_after(answer.headers)
    status = answer.status
    if found.found in FAULTS or found.found == "not_now":
        words = answer.location if found.found == "redirect" and answer.location else message
        raise error_for(cast("Meaning", found.found), status, redact(where), words, after=wait)
    code = found.code or f"http.{status}"
    made = partial(WriteResult, key, reference=found.reference, warnings=warnings, answer=shown_of(answer, call))
    if found.found == "confirmed":
        return made("confirmed", code=found.code, there_before=status >= 300 or says_there_before(found.code))
    if found.found == "accepted":
        return made("accepted", code=found.code)
    if found.found == "declined":
        return made("declined", code=code, message=message)
    if found.found in ("again", "retry"):
        return made("refused", code=code, message=message, retry_after=wait or MESSAGE_NOT_NOW.pause())
    if found.found in ("message", "refused"):
        return made("refused", code=code, message=message or f"the answer was {status}")
    if found.fault:
        message = fault(found.fault, f"{redact(where)} was {message}", status=status).message
        return made("unknown", code="redirect", message=message, fault=found.fault)
    return made("unknown", code=found.code or "no_proof", message=f"{status}: {message}")


def says_there_before(word: str) -> bool:
    """Whether a code or status says that something is there under this name already. As a status: a failure."""
    if word.isascii() and word.isdecimal():
        return 300 <= int(word[:9]) <= 599
    return bool(_THERE_BEFORE.search(word))


def shown_of(answer: Answer, call: CallContext) -> str | None:
    return kept(answer.document if answer.is_json else answer.body, call.secrets.redact)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def matches(document: Any, where: Mapping[str, list[Any]]) -> bool:
    """Whether every path holds one of its values."""
    return all(_any_of(document, path, values) for path, values in where.items())


def _any_of(document: Any, path: str, values: list[Any]) -> bool:
    """Whether a path holds one of the values, in capitals or not."""
    wanted = {said(value).casefold() for value in values}
    return any(said(value).casefold() in wanted for value in every(document, path))


def excerpt(answer: Answer) -> str:
    return " ".join(answer.body[:400].decode("utf-8", "replace").split())[:200]


def _json(media: str) -> bool:
    return media in ("application/json", "text/json") or media.endswith("+json")


__all__ = [
    "AnswerConditions",
    "AnswerMeaning",
    "AnswerReader",
    "AnswerRule",
    "Says",
    "SuccessRule",
    "excerpt",
    "matches",
    "says_there_before",
    "settled",
    "shown_of",
]
