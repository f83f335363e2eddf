"""The formula language: text → checked tree. No Python is ever taken from the text.

    round_half_up(quantity * number(price), 2)
    if(kind == 'Return', -amount, amount)
    concat(pad_left(store, 4, '0'), '-', till)

Unknown in, unknown out: an operation on a missing value has a missing result (`coalesce` and `exists` are the way out).
`and`, `or` and `not` follow Kleene's three-valued logic. `/` does not exist: `divide(a, b, scale, mode)` says how it
rounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from runtime.mapping.errors import nearest
from runtime.mapping.functions import FUNCTIONS, Kind
from runtime.mapping.paths import MappingPathError, Path, scan_path

MAX_LENGTH = 2_000
MAX_DEPTH = 16
MAX_NODES = 150
_PATH_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@:]*")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.])|(?P<text>'(?:[^']|'')*')"
    r"|(?P<op>==|!=|<=|>=|[-+*<>(),])|(?P<word>[A-Za-z_@`$.]))"
)
_KEYWORDS = {"true": True, "false": False, "null": None}
_COMPARE = ("==", "!=", "<=", ">=", "<", ">")


class FormulaError(ValueError):
    """The text is not a formula; the message says what and at which character."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: Decimal | int | str | bool | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Read:
    """The value at a source path."""

    path: Path
    kind: Kind = "any"


@dataclass(frozen=True, slots=True)
class FormulaOperation:
    """`+ - *`, unary `-` (written `neg`), comparisons, `and or not`."""

    op: str
    args: tuple[Node, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class FunctionCall:
    name: str
    args: tuple[Node, ...]
    kind: Kind
    options: tuple[Any, ...] = ()  # literal settings: scale, width, pad, rounding mode, lookup name


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`sum(lines[].amount)`, `count(lines[])`."""

    name: str
    items: Path
    rest: tuple[str, ...]
    kind: Kind = "number"


Node = Literal | Read | FormulaOperation | FunctionCall | Aggregate


def parse_formula(text: str, *, lookups: frozenset[str] = frozenset()) -> Node:
    """Raises FormulaError with the position. Names of functions and lookups are checked, and kinds as far as they are
    known."""
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"a formula has at most {MAX_LENGTH} characters")
    parser = _Parser(text, lookups)
    node = parser.disjunction(0)
    parser.expect_end()
    return node


def reads(node: Node) -> Iterator[Path]:
    """Every source path that a formula reads, in order of appearance; lists show as `lines[]` in `spelled`."""
    if isinstance(node, Read):
        yield node.path
    elif isinstance(node, Aggregate):
        yield node.items
    elif isinstance(node, FormulaOperation | FunctionCall):
        for arg in node.args:
            yield from reads(arg)


def aggregates(node: Node) -> Iterator[Aggregate]:
    """Every sum and count of a formula."""
    if isinstance(node, Aggregate):
        yield node
    elif isinstance(node, FormulaOperation | FunctionCall):
        for arg in node.args:
            yield from aggregates(arg)


def spell(node: Node) -> str:
    """The formula in one normal spelling, for people and for comparing two releases."""
    if isinstance(node, Literal):
        if isinstance(node.value, str):
            return "'" + node.value.replace("'", "''") + "'"
        return (
            {True: "true", False: "false", None: "null"}[node.value]
            if not isinstance(node.value, int | Decimal) or isinstance(node.value, bool)
            else format(node.value, "f" if isinstance(node.value, Decimal) else "d")
        )
    if isinstance(node, Read):
        return str(node.path)
    if isinstance(node, Aggregate):
        rest = "".join(f".{name}" for name in node.rest)
        return f"{node.name}({node.items}[]{rest})"
    if isinstance(node, FunctionCall):
        shown = [spell(a) for a in node.args] + [f"'{o}'" if isinstance(o, str) else str(o) for o in node.options]
        return f"{node.name}({', '.join(shown)})"
    inner = [f"({spell(a)})" if isinstance(a, FormulaOperation) else spell(a) for a in node.args]
    if len(inner) == 1:
        return f"not {inner[0]}" if node.op == "not" else f"-{inner[0]}"
    return f" {node.op} ".join(inner)


class _Parser:
    def __init__(self, text: str, lookups: frozenset[str]) -> None:
        self.text, self.at, self.lookups, self.nodes = text, 0, lookups, 0

    def fail(self, message: str, at: int | None = None) -> FormulaError:
        return FormulaError(f"{message}, at character {(self.at if at is None else at) + 1}")

    def peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.at)

    def word(self) -> str:
        found = self.peek()
        if not found or found.lastgroup != "word":
            return ""
        name = _PATH_NAME.match(self.text, found.start("word"))
        return name.group() if name else ""

    def take_op(self, *ops: str) -> str:
        found = self.peek()
        if found and found.lastgroup == "op" and found.group("op") in ops:
            self.at = found.end()
            return found.group("op")
        return ""

    def take_word(self, word: str) -> bool:
        if self.word() != word:
            return False
        found = self.peek()
        assert found
        end = found.start("word") + len(word)
        if self.text[end : end + 1] in (".", "["):
            return False
        self.at = end
        return True

    def expect(self, op: str) -> None:
        if not self.take_op(op):
            raise self.fail(f"{op!r} is expected")

    def expect_end(self) -> None:
        rest = self.text[self.at :].strip()
        if rest:
            hint = "; '/' does not exist, use divide(a, b, scale, 'half_up')" if rest[0] == "/" else ""
            raise self.fail(f"unexpected {rest[:12]!r}{hint}")

    def deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self.fail(f"the formula is nested deeper than {MAX_DEPTH}")
        return depth + 1

    def require(self, node: Node, kind: Kind, where: str, at: int) -> Node:
        if node.kind not in (kind, "any", "unknown"):
            raise self.fail(
                f"{where} takes {_KIND_WORDS[kind]}, not {_KIND_WORDS[node.kind]}{_cure(node.kind, kind)}", at
            )
        return node

    def disjunction(self, depth: int) -> Node:
        return self.chain("or", self.conjunction, depth)

    def conjunction(self, depth: int) -> Node:
        return self.chain("and", self.negation, depth)

    def chain(self, op: str, lower: Any, depth: int) -> Node:
        at = self.at
        node: Node = lower(depth)
        while self.take_word(op):
            self.require(node, "boolean", f"'{op}'", at)
            right = self.require(lower(depth), "boolean", f"'{op}'", self.at)
            node = FormulaOperation(op, (node, right), "boolean")
        return node

    def negation(self, depth: int) -> Node:
        at = self.at
        if self.take_word("not"):
            return FormulaOperation(
                "not", (self.require(self.negation(self.deeper(depth)), "boolean", "'not'", at),), "boolean"
            )
        return self.comparison(depth)

    def comparison(self, depth: int) -> Node:
        at = self.at
        left = self.sum(depth)
        op = self.take_op(*_COMPARE)
        if not op:
            return left
        right = self.sum(depth)
        known = {left.kind, right.kind} - {"any", "unknown"}
        if len(known) > 1:
            raise self.fail(f"{' and '.join(sorted(_KIND_WORDS[k] for k in known))} cannot be compared", at)
        if op in ("<", "<=", ">", ">=") and "boolean" in known:
            raise self.fail("true and false have no order", at)
        return FormulaOperation(op, (left, right), "boolean")

    def sum(self, depth: int) -> Node:
        return self.arithmetic(("+", "-"), self.product, depth)

    def product(self, depth: int) -> Node:
        return self.arithmetic(("*",), self.unary, depth)

    def arithmetic(self, ops: tuple[str, ...], lower: Any, depth: int) -> Node:
        at = self.at
        node: Node = lower(depth)
        while op := self.take_op(*ops):
            self.require(node, "number", f"'{op}'", at)
            right = self.require(lower(depth), "number", f"'{op}'", self.at)
            node = FormulaOperation(op, (node, right), "number")
        return node

    def unary(self, depth: int) -> Node:
        at = self.at
        if self.take_op("-"):
            return FormulaOperation(
                "neg", (self.require(self.unary(self.deeper(depth)), "number", "'-'", at),), "number"
            )
        return self.primary(depth)

    def primary(self, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.fail(f"the formula has more than {MAX_NODES} parts")
        found = self.peek()
        if not found:
            rest = self.text[self.at :].strip()
            raise self.fail(f"a value is expected, not {rest[:12]!r}" if rest else "the formula ends too early")
        if found.lastgroup == "number":
            self.at = found.end()
            digits = found.group("number")
            return Literal(Decimal(digits) if "." in digits else int(digits), "number")
        if found.lastgroup == "text":
            self.at = found.end()
            return Literal(found.group("text")[1:-1].replace("''", "'"), "text")
        if found.lastgroup == "op":
            if self.take_op("("):
                node = self.disjunction(self.deeper(depth))
                self.expect(")")
                return node
            raise self.fail(f"a value is expected, not {found.group('op')!r}", found.start("op"))
        return self.named(found.start("word"), depth)

    def named(self, start: int, depth: int) -> Node:
        call = re.compile(r"([A-Za-z_]+)\s*\(").match(self.text, start)
        if call:
            self.at = call.end()
            return self.call(call.group(1), start, depth)
        path, end = self.path(start)
        self.at = end
        if len(path.segments) == 1 and not path.root and path.segments[0] in _KEYWORDS and self.text[start] != "`":
            value = _KEYWORDS[str(path.segments[0])]
            return Literal(value, "unknown" if value is None else "boolean")
        return Read(path)

    def path(self, start: int) -> tuple[Path, int]:
        try:
            return scan_path(self.text, start, name=_PATH_NAME)
        except MappingPathError as error:
            raise FormulaError(str(error)) from None

    def call(self, name: str, start: int, depth: int) -> Node:
        function = FUNCTIONS.get(name)
        if function is None:
            raise self.fail(f"there is no function {name!r}.{nearest(name, FUNCTIONS)}", start)
        if function.aggregate:
            return self.aggregate(name, start)
        args: list[Node] = []
        if not self.take_op(")"):
            args.append(self.disjunction(self.deeper(depth)))
            while self.take_op(","):
                args.append(self.disjunction(self.deeper(depth)))
            self.expect(")")
        return self.checked(name, args, start)

    def checked(self, name: str, args: list[Node], start: int) -> Node:
        function = FUNCTIONS[name]
        plain = args[: len(args) - len(function.options)] if function.options else args
        settings = args[len(plain) :]
        low, high = function.arity
        if not low <= len(plain) <= high or len(settings) != len(function.options):
            raise self.fail(f"{name} is written {function.usage}", start)
        options = []
        for setting, option in zip(settings, function.options, strict=True):
            if not isinstance(setting, Literal) or not option.accepts(setting.value):
                raise self.fail(f"{name} takes {option.words} as a literal; it is written {function.usage}", start)
            if option.name == "lookup" and setting.value not in self.lookups:
                raise self.fail(
                    f"there is no lookup {setting.value!r}.{nearest(str(setting.value), self.lookups)}", start
                )
            options.append(setting.value)
        for n, arg in enumerate(plain):
            expected = function.takes[min(n, len(function.takes) - 1)]
            if expected != "any":
                self.require(arg, expected, name, start)
        kind = function.gives
        if kind == "same":
            branches = plain[1:] if name == "if" else plain
            known = {a.kind for a in branches} - {"unknown"}
            if len(known - {"any"}) > 1:
                raise self.fail(f"the values of {name} are of different kinds", start)
            kind = "any" if not known or "any" in known else known.pop()
        return FunctionCall(name, tuple(plain), kind, tuple(options))

    def aggregate(self, name: str, start: int) -> Node:
        found = re.compile(r"\s*").match(self.text, self.at)
        assert found
        path, end = self.path(found.end())
        if self.text[end : end + 2] != "[]":
            raise self.fail(f"{name} is written {FUNCTIONS[name].usage}", start)
        end += 2
        rest: tuple[str, ...] = ()
        if self.text[end : end + 1] == ".":
            inner, end = self.path(end + 1)
            if inner.root or not all(isinstance(s, str) for s in inner.segments):
                raise self.fail(f"{name} takes plain names after []", start)
            rest = tuple(str(s) for s in inner.segments)
        if name == "sum" and not rest:
            raise self.fail("sum needs the member to add up: sum(lines[].amount)", start)
        if name == "count" and rest:
            raise self.fail("count takes the list alone: count(lines[])", start)
        self.at = end
        self.expect(")")
        return Aggregate(name, path, rest)


_KIND_WORDS: dict[str, str] = {
    "number": "a number",
    "text": "text",
    "boolean": "true or false",
    "any": "anything",
    "unknown": "nothing",
    "same": "a value",
}


def _cure(found: str, wanted: str) -> str:
    if (found, wanted) == ("text", "number"):
        return "; number(…) reads text as a number"
    if (found, wanted) == ("number", "text"):
        return "; text(…) writes a number as text"
    return ""
