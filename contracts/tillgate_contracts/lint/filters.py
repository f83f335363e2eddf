"""Filters of paths, `[?(…)]`: the expressions of JavaScript that rule files use, with JavaScript's comparisons.

`@` is the value, `@property` its name, `@path` its way from the root, `@parent` and `@parentProperty` what holds it,
`@root` the document; `@string()`, `@object()` and their like test its type. Texts have `match`, `includes`,
`startsWith`, `endsWith`, `indexOf`, `toLowerCase` and `toUpperCase`, patterns have `test`. Asking a missing value for
something gives a missing value. Anything else raises `FilterError` with what is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from tillgate_contracts.lint.patterns import MAX_TEXT, PatternError, to_regex
from tillgate_contracts.reading import MISSING


class FilterError(ValueError):
    """The filter uses something that is not supported; the text says what."""


@dataclass(slots=True)
class Scene:
    """What a filter may ask about one candidate. `inside` gives the value behind a reference."""

    value: Any
    name: str | int
    root: Any
    inside: Callable[[Any], Any]
    parent: Callable[[], Any]
    parent_name: Callable[[], Any]
    path: Callable[[], str]


Expression = Callable[[Scene], Any]
_OPERATORS = ("===", "!==", "==", "!=", ">=", "<=", "=~", "~=", "&&", "||", ">", "<", "!", "(", ")", "[", "]", ".", ",")
_WORD = re.compile(r"[@A-Za-z_$][\w$]*")
_MEMBER = re.compile(r"[\w$-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_PATTERN = re.compile(r"/((?:[^/\\\[]|\\.|\[(?:[^\]\\]|\\.)*\])+)/([a-z]*)")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_VALUES: dict[str, Any] = {"true": True, "false": False, "null": None, "undefined": MISSING}
_ABOUT: dict[str, Expression] = {
    "@": lambda scene: scene.value,
    "@property": lambda scene: scene.name,
    "@parent": lambda scene: scene.parent(),
    "@parentProperty": lambda scene: scene.parent_name(),
    "@path": lambda scene: scene.path(),
    "@root": lambda scene: scene.root,
}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "@string": lambda value: isinstance(value, str),
    "@number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "@integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "@boolean": lambda value: isinstance(value, bool),
    "@null": lambda value: value is None,
    "@array": lambda value: isinstance(value, list),
    "@object": lambda value: isinstance(value, dict | list),
    "@scalar": lambda value: not isinstance(value, dict | list),
}
_TEXTS: dict[str, Callable[[str, Any], Any]] = {
    "includes": lambda text, part: _text(part) in text,
    "startsWith": lambda text, part: text.startswith(_text(part)),
    "endsWith": lambda text, part: text.endswith(_text(part)),
    "indexOf": lambda text, part: text.find(_text(part)),
    "toLowerCase": lambda text, _: text.lower(),
    "toUpperCase": lambda text, _: text.upper(),
}


def skip(text: str, position: int) -> int:
    """Where the quoted text or the pattern that begins at a position ends; the position itself where none does.

    A slash begins a pattern where a value is expected: after an operator, a bracket or a comma.
    """
    if text[position] in "'\"":
        found = _QUOTED.match(text, position)
        return found.end() if found else position
    if text[position] == "/" and (not text[:position].strip() or text[:position].rstrip()[-1] in "(!&|=~,?["):
        found = _PATTERN.match(text, position)
        return found.end() if found else position
    return position


def compile_filter(text: str) -> Callable[[Scene], bool]:
    """A function that says whether a candidate passes. Raises FilterError."""
    parser = _Parser(text)
    expression = parser.either()
    if parser.position < len(parser.tokens):
        parser.fail()
    return lambda scene: truthy(expression(scene))


class _Parser:
    """Precedence of JavaScript: `||`, `&&`, comparisons, `!`, members and calls."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.position = 0

    def fail(self) -> NoReturn:
        raise FilterError(f"the filter {self.text.strip()[:60]!r} is not understood")

    def accept(self, *texts: str) -> str:
        if self.position < len(self.tokens):
            kind, value = self.tokens[self.position]
            if kind == "mark" and value in texts:
                self.position += 1
                return str(value)
        return ""

    def need(self, text: str) -> None:
        if not self.accept(text):
            self.fail()

    def either(self) -> Expression:
        parts = [self.both()]
        while self.accept("||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda scene: _first(parts, scene, stop=True)

    def both(self) -> Expression:
        parts = [self.compared()]
        while self.accept("&&"):
            parts.append(self.compared())
        return parts[0] if len(parts) == 1 else lambda scene: _first(parts, scene, stop=False)

    def compared(self) -> Expression:
        left = self.unary()
        operator = self.accept("===", "!==", "==", "!=", ">=", "<=", ">", "<", "=~", "~=", "in")
        if not operator:
            return left
        right = self.unary()
        return lambda scene: compare(left(scene), operator, right(scene))

    def unary(self) -> Expression:
        if self.accept("!"):
            inner = self.unary()
            return lambda scene: not truthy(inner(scene))
        if self.accept("void"):
            self.unary()
            return _constant(MISSING)
        return self.member(self.primary())

    def primary(self) -> Expression:
        if self.accept("("):
            inner = self.either()
            self.need(")")
            return inner
        if self.accept("["):
            items = self.arguments("]")
            return lambda scene: [item(scene) for item in items]
        if self.position >= len(self.tokens):
            self.fail()
        kind, value = self.tokens[self.position]
        self.position += 1
        if kind in ("value", "pattern"):
            return _constant(value)
        if kind == "word" and value in _ABOUT:
            return _ABOUT[value]
        if kind == "word" and value in _TYPES:
            self.need("(")
            self.need(")")
            test = _TYPES[value]
            return lambda scene: test(scene.inside(scene.value))
        self.fail()

    def member(self, of: Expression) -> Expression:
        while True:
            if self.accept("."):
                kind, name = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")
                if kind != "word":
                    self.fail()
                self.position += 1
                of = self.called(of, name) if self.accept("(") else _get(of, _constant(name))
            elif self.accept("["):
                inner = self.either()
                self.need("]")
                of = _get(of, inner)
            else:
                return of

    def called(self, of: Expression, name: str) -> Expression:
        given = self.arguments(")")
        if name not in ("match", "test", *_TEXTS) or len(given) > 1:
            raise FilterError(f"the function {name} in {self.text.strip()[:60]!r} is not supported")
        argument = given[0] if given else _constant(MISSING)
        if name == "test":
            return lambda scene: search(of(scene), argument(scene))
        if name == "match":
            return lambda scene: search(argument(scene), of(scene))
        function = _TEXTS[name]

        def call(scene: Scene) -> Any:
            value = of(scene)
            if isinstance(value, list) and name == "includes":
                return argument(scene) in value
            return function(_text(value), argument(scene)) if isinstance(value, str | int | float) else MISSING

        return call

    def arguments(self, end: str) -> list[Expression]:
        given: list[Expression] = []
        while not self.accept(end):
            if given:
                self.need(",")
            given.append(self.either())
        return given


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = skip(text, position)
        if end > position:
            found.append(_literal(text[position:end]))
            position = end
            continue
        after_dot = bool(found) and found[-1] == ("mark", ".")
        number = None if after_dot else _NUMBER.match(text, position)
        word = (_MEMBER if after_dot else _WORD).match(text, position)
        mark = next((mark for mark in _OPERATORS if text.startswith(mark, position)), "")
        if number:
            found.append(("value", float(number.group())))
        elif word:
            found.append(_named(word.group(), after_dot))
        elif mark:
            found.append(("mark", mark))
        else:
            raise FilterError(f"the filter {text.strip()[:60]!r} is not understood at {text[position:][:12]!r}")
        position += len(number.group() if number else word.group() if word else mark)
    return found


def _named(word: str, after_dot: bool) -> tuple[str, Any]:
    if not after_dot and word in _VALUES:
        return "value", _VALUES[word]
    return ("mark" if not after_dot and word in ("in", "void") else "word"), word


def _literal(text: str) -> tuple[str, Any]:
    if text[0] in "'\"":
        return "value", re.sub(r"\\(.)", r"\1", text[1:-1])
    found = _PATTERN.fullmatch(text)
    if not found:
        raise FilterError(f"the pattern {text[:40]} is not understood")
    try:
        return "pattern", to_regex(found.group(1), found.group(2))
    except PatternError as error:
        raise FilterError(str(error)) from None


def _first(parts: list[Expression], scene: Scene, *, stop: bool) -> Any:
    value: Any = MISSING
    for part in parts:
        value = part(scene)
        if truthy(value) is stop:
            break
    return value


def _constant(value: Any) -> Expression:
    return lambda _: value


def _get(of: Expression, key: Expression) -> Expression:
    def get(scene: Scene) -> Any:
        holder, name = scene.inside(of(scene)), key(scene)
        if isinstance(name, float) and name.is_integer():
            name = int(name)
        if isinstance(holder, dict):
            return holder.get(str(name), MISSING)
        if isinstance(holder, list | str):
            if name == "length":
                return len(holder)
            if isinstance(name, int) and 0 <= name < len(holder):
                return holder[name]
        return MISSING

    return get


def truthy(value: Any) -> bool:
    """Whether JavaScript takes a value for true: empty lists and objects are."""
    return value is not MISSING and value not in (None, False, "", 0)


def search(pattern: Any, value: Any) -> bool:
    """Whether a pattern is found in a text or a number; False for other values."""
    if isinstance(pattern, str):
        try:
            pattern = to_regex(pattern, "")
        except PatternError:
            return False
    if not isinstance(pattern, re.Pattern) or isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    return pattern.search(_text(value)[:MAX_TEXT]) is not None


def compare(left: Any, operator: str, right: Any) -> bool:
    """A comparison with JavaScript's rules: `==` takes "1" for 1 and null for a missing value, `===` does not."""
    match operator:
        case "===":
            return _same(left, right)
        case "!==":
            return not _same(left, right)
        case "==":
            return _alike(left, right)
        case "!=":
            return not _alike(left, right)
        case "=~" | "~=":
            return search(right, left)
        case "in":
            return isinstance(right, list) and any(_same(left, item) for item in right)
    if isinstance(left, str) and isinstance(right, str):
        return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[operator]
    one, other = _number(left), _number(right)
    return {">": one > other, "<": one < other, ">=": one >= other, "<=": one <= other}[operator]


def _same(left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return left is right
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _alike(left: Any, right: Any) -> bool:
    nothing = (left is MISSING or left is None, right is MISSING or right is None)
    if any(nothing):
        return all(nothing)
    if type(left) is type(right) or isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    return _number(left) == _number(right)


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    try:
        return float(value) if isinstance(value, str | int | float) and value != "" else (0.0 if value == "" else _NAN)
    except ValueError:
        return _NAN


_NAN = float("nan")


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
