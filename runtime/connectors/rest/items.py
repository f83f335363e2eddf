"""What the answer to a batch says about each of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runtime.connectors.answer_rules import AnswerReader, says_there_before
from runtime.connectors.answers import Answer, at, at_list, first, kept, named, plain_name, said
from runtime.connectors.failure_marks import FailureMarks
from runtime.connectors.outcomes import FAULTS, error_for, meaning
from runtime.connectors.protocols import CallContext, OutboundMessage, WriteResult
from runtime.connectors.rest.settings import RestBatch
from runtime.domain.retry import MESSAGE_NOT_NOW

_DONE = ("confirmed", "accepted")
_SEVERAL: Any = object()  # the results of an item that has several, which do not say the same


class BatchReader:
    """Reads results by the rules of one connection, then by its lists, then as HTTP statuses. `echo` is the member that
    holds our key, where the target gives it back."""

    def __init__(self, settings: RestBatch, rules: AnswerReader, echo: str | None) -> None:
        self.settings, self.rules, self.echo = settings, rules, echo
        rule = rules.success
        unless = {
            path: values for path, values in rule.unless.items() if plain_name(path) != plain_name(settings.status)
        }
        self.failures = FailureMarks(rule.absent, unless)
        # The usual result, proven by a word of the list and a reference, is told without the longer way.
        self.confirmed = frozenset(word for word in settings.confirmed if not says_there_before(word))
        self.reference = settings.reference or "id"
        self.plain = not rules.rules and "." not in f"{self.reference}{settings.status}"

    def results(self, answer: Answer) -> list[Any] | None:
        """The list of results of an answer, whatever its status; None where it has none, or where its status says that
        nothing was done and no result contradicts it."""
        if answer.status in self.rules.nothing_done or 300 <= answer.status < 400 or not answer.is_json:
            return None
        found = at_list(answer.document, self.settings.results)
        if not isinstance(found, list):
            return None
        return found if answer.status < 300 or self._counts(answer.status, found) else None

    def _counts(self, status: int, results: list[Any]) -> bool:
        """Whether the results of an answer that is no 2xx say more than its status."""
        told = [one for one in results if isinstance(one, dict)]
        whole = meaning(status, "write")
        if whole != "not_now" and whole not in FAULTS:
            return bool(told)
        return any(self._word_of(one)[0] in _DONE for one in told)

    def named_twice(self, answer: Answer, results: list[Any]) -> str:
        """The member that an object of the answer names twice; empty where none does. The usual answer, with as many
        names as items and none by which it or an item fails, costs a few looks for text."""
        given = self.settings
        paths = (given.status, self.reference, given.key, given.code, given.message, self.echo)
        names = {path.rpartition(".")[2] for path in paths if path}
        told = [one for one in results if isinstance(one, dict)]
        many = bool(self.rules.rules) or any(
            answer.body.count(f'"{name}"'.encode()) > sum(name in one for one in told) for name in names
        )
        failed = any(isinstance(one, dict) and self.failures.may_be_in(one) for one in results)
        around = _around(answer.document, self.settings.results)
        failed = failed or (isinstance(around, dict) and self.rules.failures.may_be_in(around))
        return answer.named_twice() if many or failed or b"\\u" in answer.body else ""

    def outcomes(
        self, batch: Sequence[OutboundMessage], results: list[Any], answer: Answer, call: CallContext, where: str
    ) -> list[WriteResult]:
        """One result per message. Raises ConnectionFault where every item was refused for one. Nothing is known where
        an object of the answer has a member that is named twice; and where the answer as a whole is no success, no
        result of it proves that something was done."""
        settings = self.settings
        if twice := self.named_twice(answer, results):
            words = f"the answer names {twice!r} twice in one object"
            return [WriteResult(item.key, "unknown", code="no_proof", message=words) for item in batch]
        if settings.key:
            found = _by_name(batch, results, settings.key)
        elif len(results) != len(batch):
            said_here = f"{len(results)} results for {len(batch)} items"
            return [WriteResult(i.key, "unknown", code="no_result", message=said_here) for i in batch]
        else:
            found = results
        self._raise_fault(found, call, where)
        made = [self._outcome(item, one, call) for item, one in zip(batch, found, strict=True)]
        doubt = self.rules.doubt_about_batch(answer, _around(answer.document, settings.results))
        if doubt:
            return [_doubted(one, doubt) for one in made]
        if answer.status in self.rules.success.accepted:
            return [replace(one, status="accepted") if one.status == "confirmed" else one for one in made]
        return made

    def _raise_fault(self, found: Sequence[Any], call: CallContext, where: str) -> None:
        """Where every item was refused for the caller's credentials, that is no matter of the items."""
        results = [one for one in found if isinstance(one, dict)]
        statuses = {_number(one.get(self.settings.status)) for one in results}
        status = statuses.pop() if len(statuses) == 1 and len(results) == len(found) else None
        if status is None or meaning(status, "addressed") != "credentials" or self._is_listed(str(status)):
            return
        words = call.secrets.redact(first(results[0], [self.settings.message]))
        raise error_for("credentials", status, where, words)

    def _is_listed(self, status: str) -> bool:
        of = self.settings
        return status in (*of.confirmed, *of.refused, *of.retriable, *of.declined, *of.accepted)

    def _outcome(self, item: OutboundMessage, result: Any, call: CallContext) -> WriteResult:
        settings = self.settings
        if result is _SEVERAL:
            words = "the answer has results for this item that do not say the same"
            return WriteResult(item.key, "unknown", code="no_proof", message=words)
        if not isinstance(result, dict):
            return WriteResult(item.key, "unknown", code="no_result", message="the answer says nothing about this item")
        answer = kept(result, call.secrets.redact)
        word = result.get(settings.status)
        if self.plain and word.__class__ is str and word in self.confirmed and not self.failures.may_be_in(result):
            reference = result.get(self.reference)
            echoed = result.get(self.echo) if self.echo else None
            if reference.__class__ is str and named(reference) and (echoed is None or echoed == item.sent_key):
                return WriteResult(item.key, "confirmed", reference, word, answer=answer)
        if self.echo and result.get(self.echo) not in (None, item.sent_key):
            words = "the result is that of another item"
            return WriteResult(item.key, "unknown", code="no_result", message=words, answer=answer)
        status = said(result.get(settings.status))
        code = first(result, [settings.code]) or status
        message = call.secrets.redact(first(result, [settings.message]))
        reference = at(result, settings.reference or "id")
        shown = named(reference)
        word, wait = self._word(status, code, result)
        if word == "confirmed":
            problem = self.failures.found_in(result)
            if not problem and settings.reference and shown is None:
                problem = f"the result has no reference at {settings.reference!r}"
            if problem:
                return WriteResult(item.key, "unknown", shown, code, f"{status!r}, but {problem}", answer=answer)
            before = says_there_before(status) or says_there_before(code)
            return WriteResult(item.key, "confirmed", shown, code=status, answer=answer, there_before=before)
        if word == "retry":
            wait = wait or MESSAGE_NOT_NOW.pause()
            return WriteResult(item.key, "refused", shown, code, message, retry_after=wait, answer=answer)
        if word in ("refused", "declined", "accepted"):
            return WriteResult(item.key, word, shown, code, message, answer=answer)
        message = message or f"the status {status!r} is not known"
        return WriteResult(item.key, "unknown", shown, code, message, answer=answer)

    def _word_of(self, result: dict[str, Any]) -> tuple[Any, float | None]:
        status = said(result.get(self.settings.status))
        return self._word(status, first(result, [self.settings.code]) or status, result)

    def _word(self, status: str, code: str, result: dict[str, Any]) -> tuple[Any, float | None]:
        """What the lists, the rules and the table say about an item, and how long it waits."""
        settings, number = self.settings, _number(result.get(self.settings.status))
        for rule in self.rules.rules:
            if rule.fits(number, code, result, None):
                return ("retry" if rule.says in ("not_now", "connection") else rule.word), rule.wait
        both = {status, code}
        for word, listed in (
            ("confirmed", settings.confirmed if status in settings.confirmed else []),
            ("accepted", settings.accepted),
            ("retry", settings.retriable),
            ("declined", settings.declined),
            ("refused", settings.refused if status in settings.refused else []),
        ):
            if not both.isdisjoint(listed):
                return word, None
        return _by_status(number), None


def _by_name(batch: Sequence[OutboundMessage], results: list[Any], member: str) -> list[Any]:
    """The result of each item by our key, which may come back as its business key. Where an item has several, they have
    to say the same."""
    by_name, doubtful = dict[str, Any](), set[str]()
    for one in results:
        given = one.get(member) if isinstance(one, dict) else None
        name = None if given is None or isinstance(given, bool | list | dict) else said(given)  # those name nobody
        if name is not None and by_name.setdefault(name, one) != one:
            doubtful.add(name)
    found = list[Any]()
    for item in batch:
        sent, named_so = by_name.get(item.sent_key), by_name.get(item.key)
        if sent is None or named_so is None or sent is named_so:
            several = False
        else:
            several = {**sent, member: None} != {**named_so, member: None}
        if several or item.sent_key in doubtful or item.key in doubtful:
            found.append(_SEVERAL)
        else:
            found.append(named_so if sent is None else sent)
    return found


def _around(document: Any, path: str) -> Any:
    """What an answer says beside its results."""
    step, _, rest = path.partition(".")
    if not isinstance(document, dict) or step not in document:
        return document if isinstance(document, dict) else None
    around = {name: value for name, value in document.items() if name != step}
    inner = _around(document[step], rest) if rest else None
    return around | ({step: inner} if inner else {})


def _doubted(result: WriteResult, doubt: str) -> WriteResult:
    """A result in an answer that is no success as a whole: what it says was done is not known."""
    if result.status not in _DONE:
        return result
    return replace(result, status="unknown", code="no_proof", message=f"{result.code or result.status!r}, but {doubt}")


def _number(status: Any) -> int | None:
    """An item's status as an HTTP status; None where it is none."""
    text = said(status)
    return int(text) if text.isascii() and text.isdecimal() and 100 <= int(text[:9]) <= 599 else None


def _by_status(number: int | None) -> str:
    """An item's own HTTP status. What it says of credentials or an address, it says of the item's record."""
    found = "unknown" if number is None else meaning(number, "addressed")
    if found == "answer":
        return "accepted" if number == 202 else "confirmed"
    if found in ("not_now", "again"):
        return "retry"
    return "refused" if found == "message" or found in FAULTS - {"redirect"} else "unknown"
