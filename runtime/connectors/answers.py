"""An answer as it was given: its media type, its JSON, values at paths, and a form of it that may be kept and shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from runtime.domain.json_paths import steps
from runtime.domain.record_keys import number_text

KEPT = 2_000  # characters of an answer that are kept for the trace
_DEPTH = 12
_BOM = b"\xef\xbb\xbf"
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_SIGN_IN = re.compile(
    rb"type\s*=\s*[\"']?password|SAMLRequest|SAMLResponse|j_username|sap-login|"
    rb"<title>[^<]*\b(?:sign|log)[ -]?(?:in|on)\b",
    re.IGNORECASE,
)
_OF_ACCESS = (
    "apikey|authorization|cardnumber|cookie|credential|cvc|cvv|iban|jwt|pan|passphrase|passwd|password|pin|pwd|secret|"
    "session|signature|token"
)
_OF_PERSONS = (
    "birthdate|birthday|dob|email|familyname|fax|firstname|forename|fullname|givenname|lastname|mail|mobile|phone|"
    "postalcode|postcode|ssn|street|surname|zip|zipcode"
)
_HIDDEN_NAMES = frozenset(f"{_OF_ACCESS}|{_OF_PERSONS}".split("|"))
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


_UNREAD, _NONE = object(), object()


class Answer:
    """One HTTP answer. Its JSON is read when it is first asked for."""

    __slots__ = ("_document", "body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body
        self._document: Any = _UNREAD

    @property
    def document(self) -> Any:
        """The JSON of the body; None where it is none."""
        return self._document if self.is_json else None

    @property
    def is_json(self) -> bool:
        if self._document is _UNREAD:
            self._document = _NONE
            if self.body and not self.is_html:
                with suppress(ValueError, RecursionError):
                    self._document = msgspec.json.decode(self.body.removeprefix(_BOM))
        return self._document is not _NONE

    def named_twice(self) -> str:
        """A member that one object of the JSON names twice, so that nobody can say what it holds; empty where none
        is."""
        if not self.is_json:
            return ""
        found: list[str] = []

        def members(pairs: list[tuple[str, Any]]) -> None:
            names = [name for name, _ in pairs]
            if len(set(names)) != len(names):
                found.append(next(name for name in names if names.count(name) > 1))

        try:
            # A number stays text: nothing is counted here, and none is too long.
            json.loads(self.body.removeprefix(_BOM), object_pairs_hook=members, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            return "members that cannot be counted"
        return found[0] if found else ""

    @property
    def media(self) -> str:
        """The media type without parameters, in small letters; empty where none was given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        """By its media type, or by how it begins whatever it calls itself."""
        return self.media in ("text/html", "application/xhtml+xml") or _HTML.match(self.body[:2_000]) is not None

    @property
    def is_problem(self) -> bool:
        """By its media type: details of something that went wrong (RFC 9457), whatever the status."""
        return self.media == "application/problem+json"

    @property
    def is_sign_in(self) -> bool:
        """A page that asks a person to sign in: the call never reached what it was meant for."""
        return self.is_html and _SIGN_IN.search(self.body[:100_000]) is not None

    @property
    def location(self) -> str | None:
        return self.headers.get("location") or None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def holds(self, texts: list[str]) -> bool:
        shown = self.text
        return any(text in shown for text in texts)


def at(document: Any, path: str) -> Any:
    """The value at a dotted path; a list on the way is entered at its first element. None where there is none."""
    value = document
    for step in steps(path):
        if isinstance(value, list):
            value = value[0] if value else None
        value = value.get(step) if isinstance(value, dict) else None
    return value[0] if isinstance(value, list) and value and not isinstance(value[0], dict) else value


def at_list(document: Any, path: str) -> Any:
    """The value at a dotted path, lists as they are."""
    value = document
    for step in steps(path):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def every(document: Any, path: str, *, spelled: bool = True) -> Iterator[Any]:
    """All values at a dotted path: lists are entered at every element, `*` at every member. Not `spelled`: also members
    that are named so in other capitals, with or without underscores and hyphens."""
    yield from _every(document, steps(path), spelled)


@lru_cache(4_096)
def plain_name(name: str) -> str:
    """A name without its spelling: `errorMessage`, `ERROR_MESSAGE` and `errormessage` are one."""
    return name.replace("_", "").replace("-", "").casefold()


def _every(value: Any, names: tuple[str, ...], spelled: bool) -> Iterator[Any]:
    if isinstance(value, list) and names:
        for one in value:
            yield from _every(one, names, spelled)
    elif not names:
        yield value
    elif isinstance(value, dict):
        step, rest = names[0], names[1:]
        if step == "*":
            found = list(value.values())
        elif spelled:
            found = [value[step]] if step in value else []
        else:
            found = [one for name, one in value.items() if plain_name(name) == plain_name(step)]
        for one in found:
            yield from _every(one, rest, spelled)


def first(document: Any, paths: list[str]) -> str:
    """The first path that holds text or a number; the text of an object `{"lang": …, "value": …}` is its value."""
    for path in paths:
        shown = plain(at(document, path))
        if shown:
            return shown[:1_000]
    return ""


def plain(value: Any) -> str:
    """A scalar as text, empty for everything else. A text with its language (`{"lang": "en", "value": "No"}`) is its
    text."""
    if isinstance(value, Mapping):
        value = value.get("value") if "value" in value else value.get("message")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return said(value)


_NO_SIGNS = "0-_.?*/# \t\r\n"
_NO_NAMES = frozenset({"null", "none", "nil", "nan", "n/a", "undefined", "(null)", "<null>"})
_NO_ANSWERS = frozenset(
    {
        *("absent", "declined", "does not exist", "error", "failed", "failure", "false", "invalid", "missing", "no"),
        *("no match", "no result", "no results", "no such document", "not available", "not exist", "not existing"),
        *("not found", "not known", "notfound", "rejected", "true", "unavailable", "unknown", "yes"),
    }
)
_STATUS_LINE = re.compile(r"[45]\d\d\W")


def named(value: Any) -> str | None:
    """A value as the name of something; None for what names nothing: blanks, zeros, dashes, words for nothing (`null`,
    `None`, `N/A`), a truth value, a list, an object."""
    if value is None or isinstance(value, bool | list | dict) or value == 0:
        return None
    shown = said(value)
    if not shown.strip(_NO_SIGNS) or (len(shown) < 20 and shown.strip().casefold() in _NO_NAMES):
        return None
    return shown


def found_name(value: Any) -> str | None:
    """The same for the answer to a question, which says with words that something is not there: `NOT_FOUND`, `404 Not
    Found`, a number below zero."""
    name = named(value)
    if name is None or name.startswith("-") or _STATUS_LINE.match(name):
        return None
    words = re.sub(r"[\W_]+", " ", name).strip().casefold() if len(name) < 40 else ""
    return None if words in _NO_ANSWERS else name


def said(value: Any) -> str:
    """A value as text: `true`, `12`, `closed`. A number counts by its value: `12.0` is `12`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return value if isinstance(value, str) else str(value)


def kept(answer: Any, redact: Callable[[str], str]) -> str | None:
    """An answer (bytes, or decoded JSON) as it may be stored and shown: without secret values, without the values of
    members whose names promise a secret or a person, at most `KEPT` characters."""
    if isinstance(answer, bytes):
        if not answer:
            return None
        try:
            answer = msgspec.json.decode(answer)
        except (ValueError, RecursionError):
            return _hidden_text(redact(answer[: 4 * KEPT].decode("utf-8", "replace")))[:KEPT]
    if answer.__class__ is dict and _shows_nothing(answer):
        return redact(msgspec.json.encode(answer).decode("utf-8"))[:KEPT]
    try:
        shown = msgspec.json.encode(_hidden(answer, 0)).decode("utf-8")
    except (OverflowError, ValueError):  # a number that JSON of ours has not
        shown = str(_hidden(answer, 0))
    return redact(shown)[:KEPT]


_FLAT = frozenset({int, float, bool, type(None)})


def _shows_nothing(answer: dict[str, Any]) -> bool:
    """Whether an object is flat and has nothing to hide: the usual result of an item, told at the price of a look."""
    for name, value in answer.items():
        kind = value.__class__
        if _is_hidden(name) or (("@" in value) if kind is str else kind not in _FLAT):
            return False
    return True


def _hidden(value: Any, depth: int) -> Any:
    if depth > _DEPTH:
        return "…"
    if isinstance(value, dict):
        return {name: "***" if _is_hidden(name) else _hidden(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_hidden(one, depth + 1) for one in value]
    return _hidden_text(value) if isinstance(value, str) else value


def _hidden_text(value: str) -> str:
    return _EMAIL.sub("***", value) if "@" in value else value


@lru_cache(4_096)
def _is_hidden(name: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(name)]
    pairs = [a + b for a, b in pairwise(words)]
    return not _HIDDEN_NAMES.isdisjoint((*words, *pairs, name.lower()))


__all__ = ["KEPT", "Answer", "at", "at_list", "every", "first", "kept", "named", "plain", "plain_name", "said"]
