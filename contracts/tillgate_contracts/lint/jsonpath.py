"""The part of JSONPath that lint rules use: names, unions, wildcards, recursion, indexes and filters.

`..` visits every object once and does not go through references (named components stand at their own place); a plain
child step goes through a reference. `~` at the end yields the name instead of the value, `^` goes to the parent. What
is not understood raises `JsonPathError` with the reason, so that a rule is reported as not mapped instead of matching
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tillgate_contracts.reading import MISSING, escape, fragment_tokens, join, resolve

MAX_MATCHES = 100_000
_NAME = re.compile(r"[A-Za-z_$][\w$-]*")
_TEST = re.compile(
    r"(?P<not>!)?\s*(?:(?P<key>@property|@path)|@(?P<path>(?:\.[\w$-]+|\['[^']*'\]|\[\"[^\"]*\"\])*))"
    r"(?:\.match\(\s*/(?P<match>(?:[^/\\]|\\.)+)/(?P<flags>[a-z]*)\s*\)"
    r"|\s*=~\s*/(?P<like>(?:[^/\\]|\\.)+)/(?P<like_flags>[a-z]*)"
    r"|\s*(?P<op>===|!==|==|!=|>=|<=|>|<)"
    r"\s*(?P<value>'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?|true|false|null|void 0|undefined))?\s*\Z"
)
_STEP = re.compile(r"\.([\w$-]+)|\['([^']*)'\]|\[\"([^\"]*)\"\]")


class JsonPathError(ValueError):
    """The path uses something that is not supported."""


@dataclass(frozen=True, slots=True)
class JsonPathMatch:
    """A value found by a path; `name` is its key or index."""

    pointer: str
    value: Any
    name: str


Step = Callable[[list[JsonPathMatch], Any], Iterator[JsonPathMatch]]
#: Answers whether a match passes a filter, given the whole document.
Condition = Callable[[JsonPathMatch, Any], bool]


def compile_path(text: str) -> Callable[[Any], list[JsonPathMatch]]:
    """A function from a document to its matches. Raises JsonPathError."""
    steps, wants_name = _steps(text.strip())

    def find(tree: Any) -> list[JsonPathMatch]:
        found = [JsonPathMatch("", tree, "")]
        for step in steps:
            found = _bounded(step(found, tree))
        unique = {match.pointer: match for match in found}
        return [
            JsonPathMatch(match.pointer, match.name, match.name) if wants_name else match for match in unique.values()
        ]

    return find


def _bounded(matches: Iterator[JsonPathMatch]) -> list[JsonPathMatch]:
    found = []
    for match in matches:
        found.append(match)
        if len(found) >= MAX_MATCHES:
            break
    return found


def _steps(text: str) -> tuple[list[Step], bool]:
    if not text.startswith("$"):
        raise JsonPathError("a path starts with $")
    position = 1
    steps: list[Step] = []
    while position < len(text):
        if text[position:] == "~":
            return steps, True
        if text[position] == "^":
            steps.append(_parent)
            position += 1
            continue
        if text.startswith("..", position):
            steps.append(_descend)
            position += 2
            if position < len(text) and text[position] == "[":
                continue
            position, step = _word(text, position)
            steps.append(step)
        elif text[position] == ".":
            position, step = _word(text, position + 1)
            steps.append(step)
        elif text[position] == "[":
            end = _closing(text, position)
            steps.append(_bracket(text[position + 1 : end].strip()))
            position = end + 1
        else:
            raise JsonPathError(f"{text[position:][:20]!r} is not understood")
    return steps, False


def _word(text: str, position: int) -> tuple[int, Step]:
    if text.startswith("*", position):
        return position + 1, _children
    found = _NAME.match(text, position)
    if not found:
        raise JsonPathError(f"{text[position:][:20]!r} is not a name")
    return found.end(), _names([found.group()])


def _closing(text: str, start: int) -> int:
    depth, quote, position = 0, "", start
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote and text[position - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    raise JsonPathError("a bracket is not closed")


def _bracket(inner: str) -> Step:
    if inner == "*":
        return _children
    if inner.startswith("?"):
        body = inner[1:].strip()
        if body.startswith("(") and body.endswith(")"):
            body = body[1:-1]
        return _filter(_condition(body))
    if re.fullmatch(r"-?\d+", inner):
        return _names([inner])
    parts = [part.strip() for part in re.findall(r"'[^']*'|\"[^\"]*\"|[^,]+", inner) if part.strip()]
    names = []
    for part in parts:
        if part[0] in "'\"" and part[-1] == part[0]:
            names.append(part[1:-1])
        elif re.fullmatch(r"[\w$-]+", part):
            names.append(part)
        else:
            raise JsonPathError(f"[{inner[:30]}] is not understood")
    return _names(names)


def _target(match: JsonPathMatch, tree: Any) -> JsonPathMatch:
    """The match behind references (at most 32)."""
    pointer, value = match.pointer, match.value
    for _ in range(32):
        if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
            break
        found = resolve(tree, value["$ref"])
        if found is MISSING:
            break
        pointer, value = join(fragment_tokens(value["$ref"]) or []), found
    return JsonPathMatch(pointer, value, match.name)


def _items(match: JsonPathMatch) -> Iterator[JsonPathMatch]:
    if isinstance(match.value, dict):
        for key, value in match.value.items():
            yield JsonPathMatch(f"{match.pointer}/{escape(key)}", value, key)
    elif isinstance(match.value, list):
        for number, value in enumerate(match.value):
            yield JsonPathMatch(f"{match.pointer}/{number}", value, str(number))


def _names(names: list[str]) -> Step:
    def step(found: list[JsonPathMatch], tree: Any) -> Iterator[JsonPathMatch]:
        for match in found:
            for name in names:
                holder = match if name == "$ref" else _target(match, tree)
                if isinstance(holder.value, dict) and name in holder.value:
                    yield JsonPathMatch(f"{holder.pointer}/{escape(name)}", holder.value[name], name)
                elif isinstance(holder.value, list) and re.fullmatch(r"-?\d+", name):
                    index = int(name) + (len(holder.value) if name.startswith("-") else 0)
                    if 0 <= index < len(holder.value):
                        yield JsonPathMatch(f"{holder.pointer}/{index}", holder.value[index], str(index))

    return step


def _children(found: list[JsonPathMatch], tree: Any) -> Iterator[JsonPathMatch]:
    for match in found:
        yield from _items(_target(match, tree))


def _descend(found: list[JsonPathMatch], _tree: Any) -> Iterator[JsonPathMatch]:
    stack = list(reversed(found))
    while stack:
        match = stack.pop()
        yield match
        stack += reversed([item for item in _items(match) if isinstance(item.value, dict | list)])


def _parent(found: list[JsonPathMatch], tree: Any) -> Iterator[JsonPathMatch]:
    for match in found:
        pointer = match.pointer.rpartition("/")[0]
        value = resolve(tree, "#" + pointer.replace("%", "%25"))
        if value is not MISSING:
            name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            yield JsonPathMatch(pointer, value, name)


def _filter(condition: Condition) -> Step:
    def step(found: list[JsonPathMatch], tree: Any) -> Iterator[JsonPathMatch]:
        for match in found:
            for item in _items(_target(match, tree)):
                if condition(item, tree):
                    yield item

    return step


def _condition(text: str) -> Condition:
    for word, combine in (("||", any), ("&&", all)):
        parts = _split(text, word)
        if len(parts) > 1:
            return _combined(combine, [_condition(part) for part in parts])
    text = text.strip()
    if text.startswith("(") and _closing(text, 0) == len(text) - 1:
        return _condition(text[1:-1])
    if text.startswith("!(") and _closing(text, 1) == len(text) - 1:
        inner = _condition(text[2:-1])
        return lambda match, tree: not inner(match, tree)
    return _test(text)


def _combined(combine: Callable[[Iterator[bool]], bool], tests: list[Condition]) -> Condition:
    return lambda match, tree: combine(test(match, tree) for test in tests)


def _split(text: str, word: str) -> list[str]:
    parts, depth, quote, start, position = [], 0, "", 0, 0
    in_pattern = False
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif in_pattern:
            if character == "\\":
                position += 1
            in_pattern = character != "/"
        elif character in "'\"":
            quote = character
        elif character == "/":
            in_pattern = True
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth == 0 and text.startswith(word, position):
            parts.append(text[start:position])
            position += len(word)
            start = position
            continue
        position += 1
    return [*parts, text[start:]]


def _test(text: str) -> Condition:
    found = _TEST.match(text.strip())
    if not found or found["key"] == "@path":
        raise JsonPathError(f"the filter {text[:40]!r} is not understood")
    steps = [one or two or three for one, two, three in _STEP.findall(found["path"] or "")]
    pattern = found["match"] or found["like"]
    regex = to_regex(pattern, found["flags"] or found["like_flags"] or "") if pattern else None
    wanted = _literal(found["value"]) if found["op"] else None
    operator, negated, by_name = found["op"], bool(found["not"]), bool(found["key"])

    def test(match: JsonPathMatch, tree: Any) -> bool:
        value: Any = match.name if by_name else match.value
        for name in steps:
            holder = _target(JsonPathMatch("", value, ""), tree).value
            if name == "length" and isinstance(holder, list | str):
                value = len(holder)
                continue
            value = holder.get(name, MISSING) if isinstance(holder, dict) else MISSING
        if regex is not None:
            answer = isinstance(value, str) and regex.search(value[:2000]) is not None
        elif operator:
            answer = _compare(value, operator, wanted)
        else:
            answer = value is not MISSING and value is not None and value is not False and value != "" and value != 0
        return answer != negated

    return test


def to_regex(pattern: str, flags: str) -> re.Pattern[str]:
    """A JavaScript pattern as one of Python. Raises JsonPathError when the dialects differ."""
    text = re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", pattern).replace(r"\/", "/")
    if re.search(r"\\[pP]\{", text):
        raise JsonPathError("Unicode property classes in patterns are not supported")
    try:
        return re.compile(text, (re.IGNORECASE if "i" in flags else 0) | (re.DOTALL if "s" in flags else 0))
    except re.error as error:
        raise JsonPathError(f"the pattern {pattern[:40]!r} is not supported: {error}") from None


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    words = {"true": True, "false": False, "null": None, "void 0": MISSING, "undefined": MISSING}
    return words[text] if text in words else float(text)


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "==="):
        return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
    if operator in ("!=", "!=="):
        return not (value == wanted and isinstance(value, bool) == isinstance(wanted, bool))
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(wanted, float):
        return False
    return {">": value > wanted, ">=": value >= wanted, "<": value < wanted, "<=": value <= wanted}[operator]
