"""`$filter` of OData V2 in the SAP Gateway dialect, compiled to a test and to the values it pins a field to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sandbox.edm import EntityType
from sandbox.wire import Row, bad_request, parse_instant, wire_milliseconds

_TOKEN = re.compile(
    r"\s*(?:(?P<instant>datetime(?:offset)?'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?[mMdDlLfF]?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_/]*)|(?P<sign>[(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
}
_READ: dict[str, Callable[[Any], Any]] = {
    "Edm.DateTime": wire_milliseconds,
    "Edm.DateTimeOffset": wire_milliseconds,
    "Edm.Decimal": Decimal,
}
_LITERALS = {
    "Edm.String": "text",
    "Edm.DateTime": "datetime",
    "Edm.DateTimeOffset": "datetimeoffset",
    "Edm.Decimal": "number",
    "Edm.Boolean": "boolean",
}


@dataclass
class Filter:
    """A compiled `$filter`: a test, and where it pins one field to a set of values, that field and those values."""

    test: Callable[[Row], bool]
    pinned: dict[str, frozenset[Any]]


def reader(entity: EntityType, name: str) -> Callable[[Row], Any]:
    """A function that gives a row's field as a comparable Python value."""
    item = entity.by_name.get(name)
    if item is None:
        raise bad_request(f"Property {name} not found in type {entity.type_name}", code="/IWBEP/CM_MGW_RT/033")
    convert = _READ.get(item.type)
    if convert is None:
        return lambda row: row[name]
    return lambda row: None if (value := row[name]) is None else convert(value)


class _Parser:
    def __init__(self, entity: EntityType, text: str) -> None:
        self.entity, at = entity, 0
        self.tokens: list[tuple[str, str]] = []
        text = text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise bad_request(f"Invalid token detected at position {at} of $filter", code="/IWBEP/CM_MGW_RT/176")
            self.tokens.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
            at = found.end()
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *expected: str) -> tuple[str, str]:
        token = self.peek()
        if expected and token[1].lower() not in expected:
            raise bad_request(f"Invalid $filter near {token[1] or 'its end'!r}", code="/IWBEP/CM_MGW_RT/176")
        self.at += 1
        return token

    def parse(self) -> Filter:
        made = self.either()
        if self.peek()[0] != "end":
            raise bad_request(f"Invalid $filter near {self.peek()[1]!r}", code="/IWBEP/CM_MGW_RT/176")
        return made

    def either(self) -> Filter:
        parts = [self.both()]
        while self.peek() == ("word", "or"):
            self.take()
            parts.append(self.both())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        shared = set.intersection(*(set(part.pinned) for part in parts))
        pinned = {name: frozenset().union(*(part.pinned[name] for part in parts)) for name in shared}
        return Filter(lambda row: any(test(row) for test in tests), pinned)

    def both(self) -> Filter:
        made = self.one()
        while self.peek() == ("word", "and"):
            self.take()
            made = _and(made, self.one())
        return made

    def one(self) -> Filter:
        kind, text = self.peek()
        if (kind, text) == ("word", "not"):
            self.take()
            inner = self.one().test
            return Filter(lambda row: not inner(row), {})
        if text == "(":
            self.take()
            made = self.either()
            self.take(")")
            return made
        if kind == "word" and text.lower() in ("startswith", "endswith", "substringof"):
            return self.function(self.take()[1].lower())
        if kind != "word":
            raise bad_request(f"Invalid $filter near {text or 'its end'!r}", code="/IWBEP/CM_MGW_RT/176")
        return self.comparison()

    def comparison(self) -> Filter:
        name = self.take()[1]
        read = reader(self.entity, name)
        operator = self.take(*_COMPARE)[1].lower()
        value = self.literal(name)
        compare = _COMPARE[operator]
        pinned = {name: frozenset([value])} if operator == "eq" else {}
        return Filter(lambda row: compare(read(row), value), pinned)

    def literal(self, name: str) -> Any:
        """A literal of the property's own type: the Gateway refuses a datetime for a DateTimeOffset and the reverse."""
        wanted = _LITERALS[self.entity.by_name[name].type]
        kind, text = self.take()
        if text == "null":
            return None
        given = (
            "text"
            if kind == "text"
            else "number"
            if kind == "number"
            else text.split("'")[0].lower()
            if kind == "instant"
            else ""
        )
        if text in ("true", "false"):
            given = "boolean"
        if given != wanted:
            raise bad_request(
                f"Invalid parametertype used at function 'eq': {name} needs a {wanted} literal, got {text}"
            )
        if wanted == "text":
            return text[1:-1].replace("''", "'")
        if wanted == "boolean":
            return text == "true"
        if wanted == "number":
            return Decimal(text.rstrip("mMdDlLfF"))
        return parse_instant(text.split("'")[1])

    def function(self, name: str) -> Filter:
        self.take("(")
        arguments: list[tuple[str, str]] = [self.take()]
        self.take(",")
        arguments.append(self.take())
        self.take(")")
        if self.peek() == ("word", "eq"):
            self.take()
            self.take("true")
        needle = next((text[1:-1].replace("''", "'") for kind, text in arguments if kind == "text"), None)
        column = next((text for kind, text in arguments if kind == "word"), None)
        if needle is None or column is None:
            raise bad_request(f"{name} needs a property and a text")
        read = reader(self.entity, column)
        tests: dict[str, Callable[[str], bool]] = {
            "startswith": lambda value: value.startswith(needle),
            "endswith": lambda value: value.endswith(needle),
            "substringof": lambda value: needle in value,
        }
        test = tests[name]
        return Filter(lambda row: test(str(read(row) or "")), {})


def _and(left: Filter, right: Filter) -> Filter:
    return Filter(lambda row: left.test(row) and right.test(row), {**right.pinned, **left.pinned})


def compile_filter(entity: EntityType, text: str) -> Filter:
    return _Parser(entity, text).parse()
