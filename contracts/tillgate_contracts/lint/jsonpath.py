"""JSONPath as Spectral's rule files use it: names, unions, slices, wildcards, recursion and filters.

References stand for what they refer to: every step goes through them, `..` enters them, and each place of the document
is visited once, however many references lead there. `PathTree(tree, follow=False)` takes them as they are written. `~`
at the end yields the name instead of the value, `^` goes to the holder; `...` is `..`, and so is a dot before a bracket
(`a.[b,c]`), as in Spectral. What is not understood raises `JsonPathError` with the reason, so that a rule is reported
as not mapped instead of matching nothing; what is not quite the same stands in `JsonPath.partly`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tillgate_contracts.lint.filters import FilterError, Scene, compile_filter, skip
from tillgate_contracts.reading import MISSING, descend, escape, fragment_tokens, join, resolve

MAX_MATCHES = 500_000
_NAME = re.compile(r"[^\s.\[\]()'\",~^*?@]+")
_PART = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^\s'\",\[\]()@?:]+))\s*(?:,|\Z)")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")


class JsonPathError(ValueError):
    """The path uses something that is not supported."""


class TooManyMatches(Exception):
    """A rule would have to look at more values than it may."""

    def __init__(self) -> None:
        super().__init__(f"the rule looks at more than {MAX_MATCHES:,} values")


@dataclass(slots=True)
class JsonPathMatch:
    """A value found by a path; `name` is its key or index, `parent` the match that holds it.

    `pointer` is where it stands: for a value behind a reference the place of that value, for a name the place of the
    name. `leads_to` is, for a name, the place of its value behind references.
    """

    pointer: str
    value: Any
    name: str
    parent: JsonPathMatch | None = None
    leads_to: str = ""


class PathTree:
    """A document as paths walk through it."""

    def __init__(self, tree: Any, *, follow: bool = True) -> None:
        self.tree = tree
        self.follow = follow
        self._targets: dict[str, tuple[str, Any] | None] = {}
        self._below: list[JsonPathMatch] | None = None
        self._room = 0

    def behind(self, pointer: str, value: Any) -> tuple[str, Any]:
        """Pointer and value at the end of a chain of references (at most 32); the given ones where there is none."""
        if not self.follow or type(value) is not dict:
            return pointer, value
        ref = value.get("$ref")
        if type(ref) is not str:
            return pointer, value
        if ref not in self._targets:
            self._targets[ref] = self._target(ref)
        return self._targets[ref] or (pointer, value)

    def _target(self, ref: str) -> tuple[str, Any] | None:
        found: tuple[str, Any] | None = None
        for _ in range(32):
            value = resolve(self.tree, ref)
            if value is MISSING:
                break
            tokens = fragment_tokens(ref) or []
            if descend(self.tree, tokens) is MISSING:
                tokens = [token.replace("~1", "/").replace("~0", "~") for token in ref[2:].split("/")]
            found = (join(tokens), value)
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                break
            ref = value["$ref"]
        return found

    def inside(self, value: Any) -> Any:
        """The value behind a reference."""
        return self.behind("", value)[1]

    def items(self, match: JsonPathMatch) -> Iterator[JsonPathMatch]:
        """What an object or a list holds."""
        pointer, value = self.behind(match.pointer, match.value)
        if isinstance(value, dict):
            for key, item in value.items():
                yield JsonPathMatch(f"{pointer}/{escape(key)}", item, key, match)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield JsonPathMatch(f"{pointer}/{number}", item, str(number), match)

    def name_of(self, match: JsonPathMatch) -> JsonPathMatch:
        """The name of a match as a match of its own."""
        leads_to = self.behind(match.pointer, match.value)[0]
        return JsonPathMatch(match.pointer, match.name, match.name, match.parent, leads_to)

    def below(self, found: list[JsonPathMatch]) -> list[JsonPathMatch]:
        """The objects and lists in the matches, themselves first, each once."""
        if len(found) != 1 or found[0].pointer:
            return list(self._descended(found[::-1]))
        if self._below is None:
            self._below = list(self._descended(found[:]))
        return self._below

    def _descended(self, stack: list[JsonPathMatch]) -> Iterator[JsonPathMatch]:
        seen: set[str] = set()
        while stack:
            match = stack.pop()
            pointer, value = self.behind(match.pointer, match.value)
            if pointer in seen or not isinstance(value, dict | list):
                continue
            seen.add(pointer)
            if len(seen) > MAX_MATCHES:
                raise TooManyMatches
            yield match
            stack += [item for item in self.items(match) if isinstance(item.value, dict | list)][::-1]

    def whole(self, value: Any, depth: int) -> Any:
        """A value with the references down to a depth replaced by what they refer to; those of a circle stay. Raises
        TooManyMatches where that is too much to hold.
        """
        self._room = MAX_MATCHES
        return self._whole(value, depth, ()) if self.follow else value

    def _whole(self, value: Any, depth: int, way: tuple[str, ...]) -> Any:
        if not isinstance(value, dict | list) or depth < 0:
            return value
        pointer, target = self.behind("", value)
        if pointer:
            return value if pointer in way else self._whole(target, depth, (*way, pointer))
        self._room -= len(value)
        if self._room < 0:
            raise TooManyMatches
        if isinstance(value, dict):
            return {key: self._whole(item, depth - 1, way) for key, item in value.items()}
        return [self._whole(item, depth - 1, way) for item in value]


Step = Callable[[list[JsonPathMatch], PathTree], Iterator[JsonPathMatch]]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path. `partly` says in what it differs from Spectral, or is empty."""

    steps: tuple[Step, ...]
    names: bool
    partly: str = ""

    def __call__(self, places: PathTree, start: JsonPathMatch | None = None) -> list[JsonPathMatch]:
        """The matches in a document, or in a part of it. Raises TooManyMatches."""
        found = [start or JsonPathMatch("", places.tree, "")]
        for step in self.steps:
            found = _once(step(found, places))
        if self.names:
            return [places.name_of(match) for match in found]
        ends: dict[str, JsonPathMatch] = {}
        for match in found:
            pointer, value = places.behind(match.pointer, match.value)
            ends.setdefault(pointer, JsonPathMatch(pointer, value, match.name, match.parent))
        return list(ends.values())


def compile_path(text: str) -> JsonPath:
    """A path from its text. Raises JsonPathError."""
    text = text.strip()
    if not text.startswith("$"):
        raise JsonPathError("a path starts with $")
    try:
        steps, names = _steps(text)
    except FilterError as error:
        raise JsonPathError(str(error)) from None
    holders = re.search(r"\^\s*[\^~]|@parentProperty|@path", text)
    deep = ".." in text or ".[" in text
    partly = (
        "of several places that refer to one value, only the first counts as its holder" if holders and deep else ""
    )
    return JsonPath(tuple(steps), names, partly)


def _once(matches: Iterator[JsonPathMatch]) -> list[JsonPathMatch]:
    found: dict[str, JsonPathMatch] = {}
    for match in matches:
        found.setdefault(match.pointer, match)
        if len(found) > MAX_MATCHES:
            raise TooManyMatches
    return list(found.values())


def _steps(text: str) -> tuple[list[Step], bool]:
    position = 1
    steps: list[Step] = []
    while position < len(text):
        rest = text[position:]
        if rest == "~":
            return steps, True
        if rest[0] == "^":
            steps.append(_parent)
            position += 1
        elif rest[0] == "[":
            end = _closing(text, position)
            steps.append(_bracket(text[position + 1 : end].strip()))
            position = end + 1
        elif rest[0] == ".":
            dots = len(rest) - len(rest.lstrip("."))
            position += dots
            following = text[position : position + 1]
            if dots > 3 or not following:
                raise JsonPathError(f"{rest[:20]!r} is not understood")
            if dots > 1 or following == "[":
                steps.append(_descend)
            if following != "[":
                position, step = _word(text, position)
                steps.append(step)
        else:
            raise JsonPathError(f"{rest[:20]!r} is not understood")
    return steps, False


def _word(text: str, position: int) -> tuple[int, Step]:
    if text.startswith("*", position):
        return position + 1, _children
    found = _NAME.match(text, position)
    if not found:
        raise JsonPathError(f"{text[position:][:20]!r} is not a name")
    return found.end(), _named([found.group()])


def _closing(text: str, start: int) -> int:
    depth, position = 0, start
    while position < len(text):
        end = skip(text, position)
        if end > position:
            position = end
            continue
        if text[position] in "[(":
            depth += 1
        elif text[position] in "])":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise JsonPathError("a bracket is not closed")


def _bracket(inner: str) -> Step:
    if inner == "*":
        return _children
    if inner.startswith("?"):
        return _filter(compile_filter(inner[1:]))
    if sliced := _SLICE.fullmatch(inner):
        first, last, width = (int(part) if part else None for part in sliced.groups(default=""))
        if width == 0:
            raise JsonPathError(f"[{inner}] has a step of 0")
        return _sliced(slice(first, last, width))
    names, position = [], 0
    while position < len(inner):
        found = _PART.match(inner, position)
        if not found:
            raise JsonPathError(f"[{inner[:30]}] is not understood")
        one, other, plain = found.groups()
        names.append(plain if plain is not None else re.sub(r"\\(.)", r"\1", one if one is not None else other))
        position = found.end()
    if not names:
        raise JsonPathError("[] names nothing")
    return _named(names)


def _named(names: list[str]) -> Step:
    def step(found: list[JsonPathMatch], places: PathTree) -> Iterator[JsonPathMatch]:
        for match in found:
            pointer, value = places.behind(match.pointer, match.value)
            for name in names:
                if isinstance(value, dict):
                    if name in value:
                        yield JsonPathMatch(f"{pointer}/{escape(name)}", value[name], name, match)
                elif isinstance(value, list) and re.fullmatch(r"-?[0-9]+", name):
                    index = int(name) + (len(value) if name.startswith("-") else 0)
                    if 0 <= index < len(value):
                        yield JsonPathMatch(f"{pointer}/{index}", value[index], str(index), match)

    return step


def _sliced(part: slice) -> Step:
    def step(found: list[JsonPathMatch], places: PathTree) -> Iterator[JsonPathMatch]:
        for match in found:
            if isinstance(places.inside(match.value), list):
                yield from list(places.items(match))[part]

    return step


def _children(found: list[JsonPathMatch], places: PathTree) -> Iterator[JsonPathMatch]:
    for match in found:
        yield from places.items(match)


def _descend(found: list[JsonPathMatch], places: PathTree) -> Iterator[JsonPathMatch]:
    yield from places.below(found)


def _parent(found: list[JsonPathMatch], _places: PathTree) -> Iterator[JsonPathMatch]:
    for match in found:
        if match.parent is not None:
            yield match.parent


def _filter(condition: Callable[[Scene], bool]) -> Step:
    def step(found: list[JsonPathMatch], places: PathTree) -> Iterator[JsonPathMatch]:
        for match in found:
            listed = isinstance(places.inside(match.value), list)
            for item in places.items(match):
                if condition(_scene(item, places, listed)):
                    yield item

    return step


def _scene(match: JsonPathMatch, places: PathTree, listed: bool) -> Scene:
    holder = match.parent
    return Scene(
        value=places.inside(match.value),
        name=int(match.name) if listed else match.name,
        root=places.tree,
        inside=places.inside,
        parent=lambda: places.inside(holder.value) if holder else MISSING,
        parent_name=lambda: holder.name if holder else MISSING,
        path=lambda: _way(match, places),
    )


def _way(match: JsonPathMatch, places: PathTree) -> str:
    """The way of a match from the root: `$['paths']['/orders'][0]`."""
    parts: list[str] = []
    at: JsonPathMatch | None = match
    while at is not None and at.parent is not None:
        listed = isinstance(places.inside(at.parent.value), list)
        parts.append(f"[{at.name}]" if listed else f"['{at.name}']")
        at = at.parent
    return "$" + "".join(reversed(parts))
