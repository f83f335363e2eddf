"""Filters of SCIM (RFC 7644 §3.4.2.2): read into a tree, asked of one resource at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from governance.domain.scim.errors import ScimError
from governance.domain.scim.schema import Attribute, ResourceType, bare
from kernel.user_names import prepared

MOST_CHARACTERS = 4_000
MOST_LEVELS = 30
_TOKEN = re.compile(r'\s*(?:([()\[\]])|("(?:[^"\\]|\\.)*")|([^\s()\[\]"]+))')
_ORDERED = ("gt", "ge", "lt", "le")
_IN_TEXT = ("co", "sw", "ew")
OPERATORS = ("eq", "ne", *_IN_TEXT, *_ORDERED)


@dataclass(frozen=True, slots=True)
class AttributeComparison:
    """`path` is an attribute, or an attribute and a part of it with a dot between."""

    path: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Present:
    path: str


@dataclass(frozen=True, slots=True)
class Both:
    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Either:
    left: Filter
    right: Filter


@dataclass(frozen=True, slots=True)
class Negated:
    inner: Filter


@dataclass(frozen=True, slots=True)
class OfOneValue:
    """`emails[type eq "work" and value co "@x"]`, or `emails[type eq "work"].value co "@x"`: of one and the same value
    of the attribute."""

    path: str
    inner: Filter


Filter: TypeAlias = "AttributeComparison | Present | Both | Either | Negated | OfOneValue"


def invalid(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidFilter")


def parse(text: str) -> Filter:
    """Raises ScimError `invalidFilter`, which says what was expected where."""
    if len(text) > MOST_CHARACTERS:
        raise invalid(f"A filter has at most {MOST_CHARACTERS:,} characters.")
    reader = _Reader(text)
    made = reader.either(0)
    if (left := reader.peek()) is not None:
        raise invalid(f"The filter should end before {left[:60]!r}.")
    return made


class _Reader:
    """A reader of one filter; `not` binds more than `and`, `and` more than `or`."""

    def __init__(self, text: str) -> None:
        self.tokens, self.at = list(_tokens(text)), 0

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, wanted: str) -> str:
        token = self.peek()
        if token is None:
            raise invalid(f"The filter ends where {wanted} is expected.")
        self.at += 1
        return token

    def word(self, text: str) -> bool:
        """Takes the next token if it is this word."""
        token = self.peek()
        if token is not None and token.lower() == text:
            self.at += 1
            return True
        return False

    def close(self, bracket: str) -> None:
        if (token := self.take(repr(bracket))) != bracket:
            raise invalid(f"{bracket!r} is expected, not {token[:60]!r}.")

    def either(self, level: int) -> Filter:
        made = self.both(level)
        while self.word("or"):
            made = Either(made, self.both(level))
        return made

    def both(self, level: int) -> Filter:
        made = self.one(level)
        while self.word("and"):
            made = Both(made, self.one(level))
        return made

    def one(self, level: int) -> Filter:
        if level > MOST_LEVELS:
            raise invalid(f"A filter has at most {MOST_LEVELS} levels.")
        if self.word("not"):
            self.open_round()
            inner = self.either(level + 1)
            self.close(")")
            return Negated(inner)
        if self.peek() == "(":
            self.open_round()
            inner = self.either(level + 1)
            self.close(")")
            return inner
        return self.about(level)

    def open_round(self) -> None:
        self.close("(")

    def about(self, level: int) -> Filter:
        path = self.take("an attribute")
        if not re.fullmatch(r"[A-Za-z][\w:.$-]*", path):
            raise invalid(f"The name of an attribute is expected, not {path[:60]!r}.")
        path = bare(path)
        if self.peek() == "[":
            self.close("[")
            inner = self.either(level + 1)
            self.close("]")
            if re.fullmatch(r"\.[A-Za-z$][\w$-]*", self.peek() or ""):  # emails[type eq "work"].value eq "x"
                return OfOneValue(path, Both(inner, self.compared(self.take("a part")[1:])))
            return OfOneValue(path, inner)
        return self.compared(path)

    def compared(self, path: str) -> Filter:
        operator = self.take("an operator").lower()
        if operator == "pr":
            return Present(path)
        if operator not in OPERATORS:
            raise invalid(f"{operator[:60]!r} is no operator. There are {', '.join((*OPERATORS, 'pr'))}.")
        return AttributeComparison(path, operator, _literal(self.take("a value"), operator))


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise invalid(f"The filter cannot be read from {text[at:].strip()[:60]!r} on.")
        yield found[1] or found[2] or found[3]
        at = found.end()


def _literal(token: str, operator: str) -> Any:
    """A JSON text, number, true, false or null; the words may have capitals."""
    try:
        value = json.loads(token if token.startswith('"') else token.lower())
    except ValueError:
        raise invalid(f"A value is a JSON text, number, true, false or null, not {token[:60]!r}.") from None
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise invalid("A value holds what no text can hold: NUL, or half a surrogate pair.")
    if not isinstance(value, str | int | float | bool | None):
        raise invalid(f"{token[:60]!r} cannot be compared with.")
    if operator in _IN_TEXT and not isinstance(value, str):
        raise invalid(f"{operator} compares texts.")
    if operator in _ORDERED and (value is None or isinstance(value, bool)):
        raise invalid(f"{operator} compares what has an order.")
    return value


def matches(made: Filter, document: dict[str, Any], kind: ResourceType) -> bool:
    """Whether a resource, by the names of its schema, is one that the filter looks for. An attribute that is not there
    equals null and nothing else."""
    return _ask(made, lambda path: _values(document, kind, path))


def matches_value(made: Filter, value: dict[str, Any], attribute: Attribute) -> bool:
    """The same of one value of a complex attribute."""

    def asked(path: str) -> tuple[list[Any], Attribute | None]:
        part = attribute.part(path)
        return ([value[part.name]] if part is not None and part.name in value else []), part

    return _ask(made, asked)


_Asked: TypeAlias = Callable[[str], tuple[list[Any], "Attribute | None"]]


def _ask(made: Filter, asked: _Asked) -> bool:
    match made:
        case Both(left, right):
            return _ask(left, asked) and _ask(right, asked)
        case Either(left, right):
            return _ask(left, asked) or _ask(right, asked)
        case Negated(inner):
            return not _ask(inner, asked)
        case Present(path):
            return any(value not in ("", [], {}) for value in asked(path)[0])
        case OfOneValue(path, inner):
            values, attribute = asked(f"{path}[]")
            return attribute is not None and any(
                matches_value(inner, value, attribute) for value in values if isinstance(value, dict)
            )
        case AttributeComparison(path, operator, value):
            return _compared(*asked(path), operator, value)


def _values(document: dict[str, Any], kind: ResourceType, path: str) -> tuple[list[Any], Attribute | None]:
    """The values at a path, with their attribute; of a complex one without a part its `value`."""
    name, _, part_name = path.removesuffix("[]").partition(".")
    attribute = kind.attribute(name)
    if attribute is None or attribute.name not in document:
        return [], attribute
    held = document[attribute.name]
    several = held if isinstance(held, list) else [held]
    if path.endswith("[]") or attribute.type != "complex":
        return several, attribute
    part = attribute.part(part_name or "value")
    if part is None:
        return ([] if part_name else several), attribute
    return [one[part.name] for one in several if part.name in one], part


def _compared(values: list[Any], attribute: Attribute | None, operator: str, wanted: Any) -> bool:
    if operator == "ne":
        return not _compared(values, attribute, "eq", wanted)
    if wanted is None:
        return not values
    exact = attribute.case_exact if attribute is not None else False
    if attribute is not None and attribute.prepared and isinstance(wanted, str):
        values, wanted = [prepared(value) for value in values], prepared(wanted)
    return any(_holds(value, operator, wanted, exact) for value in values)


def _holds(value: Any, operator: str, wanted: Any, exact: bool) -> bool:
    if isinstance(value, bool):
        said = {"true": True, "false": False}.get(wanted.lower()) if isinstance(wanted, str) else wanted
        return operator == "eq" and said is value
    if isinstance(value, datetime):
        when = moment(wanted)
        return when is not None and _ordered(value, operator, when)
    if not isinstance(value, str) or not isinstance(wanted, str):
        return False
    if not exact:
        value, wanted = value.casefold(), wanted.casefold()
    if operator in _IN_TEXT:
        return bool({"co": wanted in value, "sw": value.startswith(wanted), "ew": value.endswith(wanted)}[operator])
    return _ordered(value, operator, wanted)


def _ordered(value: Any, operator: str, wanted: Any) -> bool:
    return bool(
        {
            "eq": value == wanted,
            "gt": value > wanted,
            "ge": value >= wanted,
            "lt": value < wanted,
            "le": value <= wanted,
        }.get(operator, False)
    )


def moment(text: Any) -> datetime | None:
    """A moment of a filter, of UTC where it says no zone; None for what is none."""
    try:
        made = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def equals(made: Filter) -> dict[str, str]:
    """What every match must equal, by path in small letters: of a comparison, and of those joined by `and`. A query may
    look for these alone, and ask the filter of what it found."""
    match made:
        case AttributeComparison(path, "eq", str(value)):
            return {path.lower(): value}
        case Both(left, right):
            return equals(right) | equals(left)
        case OfOneValue(path, inner):
            return {f"{path}.{name}".lower(): value for name, value in equals(inner).items()}
    return {}


def paths(made: Filter) -> Iterator[str]:
    """The attributes that a filter asks about, in small letters."""
    match made:
        case Both(left, right) | Either(left, right):
            yield from paths(left)
            yield from paths(right)
        case Negated(inner):
            yield from paths(inner)
        case AttributeComparison(path, _, _) | Present(path) | OfOneValue(path, _):
            yield path.partition(".")[0].lower()
