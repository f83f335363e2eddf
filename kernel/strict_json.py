"""Strict JSON: UTF-8, no duplicate keys, no NaN, no NUL, no lone surrogates, bounded depth and numbers, exact decimals.

The standard library's parser is used, because no faster library reports duplicate keys and keeps decimals exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kernel.errors import Invalid, Malformed, finding

MAX_DEPTH = 64
MOST_DIGITS = 64
FARTHEST_EXPONENT = 308  # of ten, to either side: the range of a double (RFC 7493 §2.2), so that every sum stays small
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Escapes of NUL and of surrogates, and long rows of digits: only a text with one of these is looked at value by value.
_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ROW = re.compile(r"[0-9]{65}")
_STEP = 16
_SAMPLED_ROW = re.compile(
    r"[0-9]{4}"
)  # 65 // 16: of so many digits in a row every 16th of a text shows at least so many


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a document that is JSON cannot be taken as it is, with its place in it (RFC 6901)."""

    code: str
    pointer: str
    message: str


class _Unusable(ValueError):
    """Stands for a value that cannot be taken; raised by the quick reading, kept in its place by the close one."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


_TOO_DEEP = Flaw("json.depth", "", f"nested deeper than {MAX_DEPTH} levels")
_NUMBER = f"a number with more than {MOST_DIGITS} digits, or with an exponent beyond ±{FARTHEST_EXPONENT}, is not taken"
_NUL = "the text holds a NUL character, which no text field can store"
_SURROGATE = "the text holds half of a surrogate pair, which is no character (RFC 8259 §8.2)"


def within_bounds(number: Decimal) -> bool:
    """Whether a finite decimal has at most MOST_DIGITS digits and lies within ±FARTHEST_EXPONENT powers of ten."""
    return abs(number.adjusted()) <= FARTHEST_EXPONENT and len(number.as_tuple().digits) <= MOST_DIGITS


def _decimal(text: str) -> Decimal:
    if len(text) <= MOST_DIGITS and "e" not in text and "E" not in text:
        return Decimal(text)
    try:
        number = Decimal(text[:4_000])
    except ArithmeticError:  # beyond what a Decimal can hold
        number = Decimal("Infinity")
    if not (number.is_finite() and within_bounds(number)):
        raise _Unusable("json.number", _NUMBER)
    return number


def _constant(name: str) -> Any:
    raise _Unusable("json.not_a_number", f"{name} is not JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Unusable("json.duplicate_key", "a name appears twice in one object")
    return made


def _kept_decimal(text: str) -> Any:
    try:
        return _decimal(text)
    except _Unusable as found:
        return found


def _kept_integer(text: str) -> Any:
    return int(text) if len(text.lstrip("-")) <= MOST_DIGITS else _Unusable("json.number", _NUMBER)


def _kept_constant(name: str) -> Any:
    return _Unusable("json.not_a_number", f"{name} is not JSON")


def _kept_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        said = f"the name {_shown(key)!r} appears twice in one object; it is not clear which one counts"
        made[key] = _Unusable("json.duplicate_key", said) if key in made else value
    return made


_QUICK = json.JSONDecoder(parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_members)
_CLOSE = json.JSONDecoder(
    parse_float=_kept_decimal, parse_int=_kept_integer, parse_constant=_kept_constant, object_pairs_hook=_kept_members
)


def judged(text: str) -> tuple[Any, Flaw | None]:
    """A JSON text as a value with Decimals, and the first thing in it that cannot be taken, if there is one.

    With a flaw the value is only good to be shown. Raises json.JSONDecodeError for what is not JSON.
    """
    try:
        value = quick(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        return None, _TOO_DEEP
    except ValueError:
        value = _CLOSE.decode(text)
        return value, flaw_of(value)
    return value, _TOO_DEEP if brackets(text) > MAX_DEPTH and _depth(value) > MAX_DEPTH else None


def quick(text: str) -> Any:
    """A JSON text as a value, if nothing in it needs a closer look but its depth. Raises ValueError otherwise,
    RecursionError for what is far too deep."""
    if needs_closer_look(text):
        raise ValueError("the text needs a closer look")
    return _QUICK.decode(text)


def needs_closer_look(text: str) -> bool:
    """Whether a text has an escape of NUL or of a surrogate, or a long row of digits."""
    if "\\u" in text and _ESCAPE.search(text):
        return True
    return _SAMPLED_ROW.search(text[::_STEP]) is not None and _ROW.search(text) is not None


def brackets(text: str) -> int:
    """How many brackets are opened: a text is never nested deeper than that."""
    return text.count("[") + text.count("{")


def flaw_of(value: Any) -> Flaw | None:
    """The first thing in a parsed value that cannot be taken, in the order of the document."""
    return _TOO_DEEP if _depth(value) > MAX_DEPTH else next(_flaws(value, ""), None)


def _flaws(value: Any, pointer: str) -> Iterator[Flaw]:
    if isinstance(value, str):
        if problem := _text_problem(value):
            yield Flaw(problem[0], pointer, problem[1])
    elif isinstance(value, dict):
        for key, inner in value.items():
            if problem := _text_problem(key):
                yield Flaw(problem[0], pointer, f"the name {_shown(key)!r}: {problem[1]}")
            yield from _flaws(inner, f"{pointer}/{_shown(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _flaws(inner, f"{pointer}/{index}")
    elif isinstance(value, _Unusable):
        yield Flaw(value.code, pointer, value.message)
    elif _is_out_of_bounds(value):
        yield Flaw("json.number", pointer, _NUMBER)


def _is_out_of_bounds(value: Any) -> bool:
    if isinstance(value, Decimal):
        return not (value.is_finite() and within_bounds(value))
    return isinstance(value, int) and abs(value) >= 10**MOST_DIGITS


def _text_problem(text: str) -> tuple[str, str] | None:
    if "\x00" in text:
        return "json.nul", _NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return "json.surrogate", _SURROGATE
    return None


def _shown(text: str) -> str:
    return text[:80].replace("\x00", "?").encode("utf-8", "replace").decode()


def loads(data: bytes) -> Any:
    """Strict JSON with Decimals. Raises Malformed with line and column for what is not JSON, Invalid with the place of
    what cannot be taken."""
    try:
        text = data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("json.encoding", f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    try:
        value, flaw = judged(text)
    except json.JSONDecodeError as error:
        raise not_json(error.lineno, error.colno, error.msg) from None
    if flaw is not None:
        at = f" (at {flaw.pointer})" if flaw.pointer else ""
        said = f"The body cannot be taken: {flaw.message}{at}."
        raise Invalid(flaw.code, said, {"findings": [finding(flaw.pointer, flaw.message)]})
    return value


def not_json(line: int, column: int, message: str) -> Malformed:
    return Malformed("json.syntax", f"Not JSON at line {line}, column {column}: {message}.")


def _depth(value: Any) -> int:
    deepest, todo = 0, [(value, 1)]
    while todo:
        item, level = todo.pop()
        deepest = max(deepest, level)
        if deepest > MAX_DEPTH:
            break
        if isinstance(item, dict):
            todo += [(child, level + 1) for child in item.values()]
        elif isinstance(item, list):
            todo += [(child, level + 1) for child in item]
    return deepest
