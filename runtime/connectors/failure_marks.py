"""The members by which an answer calls itself a failure, and what an answer to a read must be to count as one.

A write that is not proven is unknown; a read that is not proven was not answered: it is asked again, and neither an
empty page nor "not there" is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.connectors.answers import Answer, every, plain_name, said
from runtime.domain.member_names import any_named_twice

_ENVELOPES = frozenset({"result", "response", "data", "d"})  # members around what an answer says of itself
_RESULTS = _ENVELOPES | {"results"}  # of a write; in an answer to a read these are rows, which speak for themselves
_DEPTH = 3  # envelopes inside one another that are opened
_PHRASE = re.compile(r"(?<=[0-9]) [a-z][a-z _'-]*\Z")  # of a status, as HTTP and frameworks write it
_CLASSES = {"4xx": "4", "5xx": "5"}


class FailureMarks:
    """The members by which a document calls itself a failure, at its top or in an envelope (`result`, `response`,
    `data`, `d`). `absent`: paths that must be missing or empty. `unless`: paths and the values that say so; `4xx` and
    `5xx` are every status of that class. `of_write`: `results` are what became of the write, and an envelope as well.
    """

    def __init__(self, absent: Iterable[str], unless: Mapping[str, list[Any]], *, of_write: bool = False) -> None:
        self._envelopes = _RESULTS if of_write else _ENVELOPES
        self.absent, self.unless = list(dict.fromkeys(absent)), dict(unless)
        self._wanted = {path: _Words(values) for path, values in self.unless.items()}
        members = {plain_name(path.partition(".")[0]) for path in (*self.absent, *self.unless)}
        self._members = frozenset(members | self._envelopes)
        self._known: dict[tuple[str, ...], bool] = {}

    def may_be_in(self, document: dict[str, Any]) -> bool:
        """Whether an object has any of them at all. Objects with the same names are looked at once."""
        names = tuple(document)
        known = self._known.get(names)
        if known is None:
            known = "*" in self._members or not self._members.isdisjoint(map(plain_name, names))
            if len(self._known) < 1_000:
                self._known[names] = known
        return known

    def found_in(self, document: Any) -> str:
        """By which one a document does so; empty where by none."""
        return self._found_in(document, 0)

    def _found_in(self, document: Any, depth: int) -> str:
        if isinstance(document, dict) and not self.may_be_in(document):
            return ""
        for path in self.absent:
            if any(not _is_no_failure(value) for value in every(document, path, spelled=False)):
                return f"the answer says {path!r}"
        for path, words in self._wanted.items():
            if any(words.hold(value) for value in every(document, path, spelled=False)):
                return f"the answer says {path!r} is no success"
        if depth < _DEPTH and isinstance(document, dict):
            for name, inner in document.items():
                if plain_name(name) in self._envelopes:
                    for one in inner if isinstance(inner, list) else [inner]:
                        if isinstance(one, dict) and (problem := self._found_in(one, depth + 1)):
                            return f"{problem} in {name!r}"
        return ""


def says_nothing(document: Any) -> bool:
    """Whether an object has no member, or none but an envelope with nothing inside."""
    for _ in range(_DEPTH + 1):
        if not isinstance(document, dict):
            return document is None or document is False or document in ("", [])
        if len(document) != 1:
            return not document
        ((name, document),) = document.items()
        if plain_name(name) not in _RESULTS:
            return False
    return False


class _Words:
    """Values that say no, in capitals or not, with blanks around them or not."""

    def __init__(self, values: Iterable[Any]) -> None:
        words = {said(value).strip().casefold() for value in values}
        self.classes = frozenset(_CLASSES[word] for word in words if word in _CLASSES)
        self.words = frozenset(words)

    def hold(self, value: Any) -> bool:
        shown = said(value).strip().casefold()
        if shown in self.words:
            return True
        if isinstance(value, int | float) and said(bool(value)) in self.words:
            return True  # a number as the truth value that it stands for
        number = _PHRASE.sub("", shown).removesuffix(".0")  # "500 INTERNAL_SERVER_ERROR" is 500
        return len(number) == 3 and number.isdecimal() and number[0] in self.classes


class WholeAnswers:
    """Whether the answer to a read can be relied on, for what it does not hold as much as for what it holds."""

    def __init__(self, marks: FailureMarks) -> None:
        self.marks = marks

    def doubt_about(self, answer: Answer) -> str:
        """Why the answer to a question is none; empty where it is one."""
        if problem := doubt_by_head(answer):
            return problem
        if not answer.is_json:
            return "it is a page of HTML" if answer.is_html else "it is no JSON"
        if any_named_twice([answer.body]) and (twice := answer.named_twice()):
            return f"it names {twice!r} twice in one object"
        return self.failure_in(answer.document)

    def failure_in(self, document: Any) -> str:
        """By which member a page or an answer calls itself a failure; rows of a list speak for themselves alone."""
        return self.marks.found_in(document) if isinstance(document, dict) else ""


def doubt_by_head(answer: Answer) -> str:
    """What status and media type of an answer to a read say against it."""
    if answer.status != 200:
        return f"its status is {answer.status}, which says that it is not the whole answer"
    return "it calls itself a problem (application/problem+json)" if answer.is_problem else ""


def is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", 0, "0") or (isinstance(value, list | dict) and not value)


def _is_no_failure(value: Any) -> bool:
    return is_empty(value) or (isinstance(value, str) and value.strip().casefold() in ("", "0", "false"))


__all__ = ["FailureMarks", "WholeAnswers", "doubt_by_head", "is_empty"]
