"""The one way in for YAML that is no contract: bounded before anything is built of it.

The text is walked once as events, which build nothing: its size, depth and number of values, and what aliases multiply,
are counted at their full size. Only what is within the bounds is built, by a safe loader that refuses a key which
stands twice in one object. Contracts have a reader of their own, in the contract engine.

Documents of our own (blueprints, policies) know the words of YAML 1.1 (`yes`, `off`, dates). Files of others are read
by the core schema of YAML 1.2.2, as those who write them read them: `no` is a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from kernel.errors import Invalid, finding

MOST_BYTES: Final = 64 * 1024 * 1024
MOST_VALUES: Final = 2_000_000
MOST_BY_ALIAS: Final = 50_000  # values that aliases add to those that are written
MOST_DEPTH: Final = 60
LONGEST_NUMBER: Final = 300
_NUMBER: Final = re.compile(r"[-+]?[0-9][0-9a-fA-FxX_:.eE+-]*\Z")
_BUILDING: Final = (
    yaml.YAMLError,  # an unknown tag, a key that is a list
    ValueError,  # 2024-13-45 and UnicodeError
    ArithmeticError,
    LookupError,  # !!bool of another word
    AttributeError,  # !!timestamp of another word
    TypeError,
    RecursionError,
)


class _Loader(yaml.CSafeLoader):
    """The safe loader, for which a key that stands twice in one object is a fault: readers disagree on which counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[type, Any], int] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            first = lines.get((type(key), key))
            lines[type(key), key] = line
            if first is not None:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {str(key)[:60]!r} stands twice in one object, first in line {first}; readers disagree on "
                    "which one counts, so keep one",
                    key_node.start_mark,
                )
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


class _LoaderOfOthers(_Loader):
    """By the core schema of YAML 1.2.2, section 10.3.2. A number that would be written otherwise (`012`, `1.10`, `1e3`)
    stays the text that it is, for nothing here counts with it, and names and versions are made of it."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        for kind in (int, float):
            try:
                value = kind(node.value)
            except ValueError:
                continue
            if str(value) == node.value:
                return value
        return str(node.value)


_LoaderOfOthers.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]
)
_LoaderOfOthers.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_LoaderOfOthers.add_implicit_resolver(
    "!number", re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z"), list("-0123456789")
)
_LoaderOfOthers.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])
_LoaderOfOthers.add_constructor("!number", _LoaderOfOthers.construct_number)


@dataclass(slots=True)
class _Open:
    """A collection that has begun: its anchor, and how many values stood before it."""

    anchor: str | None
    before: int


class _Counted:
    """What has been counted in one text."""

    def __init__(self) -> None:
        self.values = self.by_alias = 0
        self.stack: list[_Open] = []
        self.sizes: dict[str, int] = {}

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._value(event)
            if event.implicit[0] and len(event.value) > LONGEST_NUMBER and _NUMBER.match(event.value):
                raise _refused(f"holds a number of {len(event.value)} characters", event)
            if event.anchor:
                self.sizes[event.anchor] = 1
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self.stack.append(_Open(event.anchor, self.values))
            self._value(event)
            if len(self.stack) > MOST_DEPTH:
                raise _refused(f"is nested more than {MOST_DEPTH} levels deep", event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            one = self.stack.pop()
            if one.anchor:
                self.sizes[one.anchor] = self.values - one.before
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.sizes.clear()

    def _value(self, event: yaml.Event, count: int = 1) -> None:
        self.values += count
        if self.values > MOST_VALUES:
            raise _refused(f"holds more than {MOST_VALUES} values", event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if any(one.anchor == event.anchor for one in self.stack):
            raise _refused(f"has an alias *{event.anchor} inside of what it stands for", event)
        if event.anchor not in self.sizes:
            mark: Any = event.start_mark  # the C parser has a class of its own for it
            raise yaml.composer.ComposerError(None, None, f"found undefined alias {event.anchor!r}", mark)
        size = self.sizes[event.anchor]
        self.by_alias += size
        if self.by_alias > MOST_BY_ALIAS:
            raise _refused(f"has aliases that stand for more than {MOST_BY_ALIAS} values", event)
        self._value(event, size)


def each(given: str | bytes, *, what: str = "The file", of_others: bool = False) -> Iterator[Any]:
    """The documents of a YAML text; in the place of one that cannot be built, the Invalid that says why. `of_others`:
    by YAML 1.2.

    Raises Invalid `yaml.syntax` where the text is no YAML at all, or `yaml.bounds` before anything is built.
    """
    if len(given) > MOST_BYTES:
        raise Invalid("yaml.bounds", f"{what} is larger than {MOST_BYTES >> 20} MB. Give it in parts.")
    counted = _Counted()
    try:
        for event in yaml.parse(given, Loader=yaml.CSafeLoader):
            counted.take(event)
    except _Refused as refused:
        raise Invalid("yaml.bounds", f"{what} {refused}.", {"findings": [finding("", f"{refused}.")]}) from None
    except _BUILDING as error:
        raise _unreadable(what, error) from None
    loader = (_LoaderOfOthers if of_others else _Loader)(given)
    try:
        while loader.check_data():
            try:
                yield loader.get_data()
            except _BUILDING as error:  # the parser stands behind the document already
                loader.constructed_objects, loader.recursive_objects, loader.state_generators = {}, {}, []
                yield _unreadable(what, error)
    finally:
        loader.dispose()


def load_all(given: str | bytes, *, what: str = "The file") -> list[Any]:
    """The documents of a YAML text. Raises Invalid as `each` does, and where one of them cannot be built."""
    made = list(each(given, what=what))
    for one in made:
        if isinstance(one, Invalid):
            raise one
    return made


def load(given: str | bytes, *, what: str = "The file") -> Any:
    """The one document of a YAML text; None where it is empty. Raises Invalid as `load_all` does."""
    documents = load_all(given, what=what)
    if len(documents) > 1:
        raise Invalid("yaml.syntax", f"{what} holds {len(documents)} YAML documents; give one.")
    return documents[0] if documents else None


def load_file(path: Path) -> Any:
    """The one document of a file. Raises Invalid as `load_all` does, OSError where the file cannot be read."""
    return load(path.read_bytes(), what=str(path))


class _Refused(Exception):
    """A bound that is passed."""


def _refused(words: str, event: yaml.Event) -> _Refused:
    mark = event.start_mark
    return _Refused(f"{words} (line {mark.line + 1})" if mark is not None else words)


def _unreadable(what: str, error: Exception) -> Invalid:
    message = f"{what} is not YAML that can be read{_said(error)}."
    return Invalid("yaml.syntax", message, {"findings": [finding("", message)]})


def _said(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"{where}: {str(problem).rstrip('.')}"
