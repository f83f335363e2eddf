"""Differences as people read them: those of one rule in one schema are one group with one sentence, and equal ones
are told once with their number. What programs decide by stays as it was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from tillgate_contracts.compare.nouns import counts_fields, is_document_wide, noun_of, reason_of_several
from tillgate_contracts.compare.rules import iter_rules

SHOWN_MEMBERS = 8
#: Rules about words in description only: told behind everything else.
DESCRIPTIVE = frozenset({"annotation-changed"})
_PARTS = frozenset({"schemas", "definitions", "$defs", "messages"})
_MEMBERS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_NAMED_ELEMENT = re.compile(r"([A-Za-z]+)\[@Name='([^']*)'\]")
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"})


class FindingText(NamedTuple):
    """One difference as it was found or stored. `pointer` is in the author's file."""

    rule: str
    level: str
    message: str
    pointer: str = ""
    hint: str = ""
    operations: Sequence[str] = ()
    line: int | None = None
    side: str = "revision"
    fingerprint: str = ""


class FindingPlace(msgspec.Struct, frozen=True):
    """Where one of several equal differences is."""

    pointer: str
    line: int | None
    side: str
    operations: tuple[str, ...]


class FindingGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Differences of one rule and level in one component of the contract.

    `message` is one sentence about all of them; `count` is their number, `members` are the fields concerned in the
    order of the findings; `indexes` are their positions in what was grouped, `fingerprints` are theirs.
    """

    rule: str
    level: str
    component: str
    message: str
    count: int
    members: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    hint: str = ""
    fingerprints: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()


def group(found: Iterable[FindingText]) -> list[FindingGroup]:
    """The groups of differences, in the order of their first ones."""
    groups: dict[tuple[str, ...], list[_Entry]] = {}
    for number, one in enumerate(found):
        component, member = place_of(one.pointer)
        if is_document_wide(one.rule):
            component, member = "", component
        if noun_of(one.rule) and not _is_nameless(one, member):
            key: tuple[str, ...] = (one.rule, one.level, component)
        else:
            key = (one.rule, one.level, "", one.message)
        groups.setdefault(key, []).append(_Entry(number, one, component, member))
    return [_told(entries) for entries in groups.values()]


class _Entry(NamedTuple):
    number: int
    one: FindingText
    component: str
    member: str


def _is_nameless(one: FindingText, member: str) -> bool:
    """True for the schema of a parameter or header itself, which its pointer does not name: only equal ones are
    grouped."""
    return not member and ("/parameters/" in one.pointer or "/headers/" in one.pointer)


def _told(entries: list[_Entry]) -> FindingGroup:
    first = entries[0].one
    components = {entry.component for entry in entries}
    component = components.pop() if len(components) == 1 else ""
    members = tuple(dict.fromkeys(entry.member for entry in entries if entry.member))
    return FindingGroup(
        rule=first.rule,
        level=first.level,
        component=component,
        message=first.message if len(entries) == 1 else _sentence(entries, component, members),
        count=len(entries),
        members=members,
        operations=tuple(dict.fromkeys(name for entry in entries for name in entry.one.operations)),
        hint=first.hint if len(entries) == 1 else reason_of_several(first.hint),
        fingerprints=tuple(entry.one.fingerprint for entry in entries if entry.one.fingerprint),
        indexes=tuple(entry.number for entry in entries),
    )


def _sentence(entries: list[_Entry], component: str, members: Sequence[str]) -> str:
    """One sentence about several differences, with the reason of their level."""
    first, count = entries[0].one, len(entries)
    several = len(members) if members and counts_fields(first.rule) else len({entry.one.message for entry in entries})
    if several == 1:
        return f"{first.message} {same_elsewhere(count)}"
    text = f"`{component}`: " if component else ""
    text += f"{several:,} {noun_of(first.rule)}"
    if several != count:
        text += f" at {count:,} places"
    if members:
        text += ": " + ", ".join(f"`{name}`" for name in members[:SHOWN_MEMBERS])
        if len(members) > SHOWN_MEMBERS:
            text += f" and {len(members) - SHOWN_MEMBERS:,} more"
    reason = reason_of_several(_reasons().get(first.rule, "")) if first.level != "info" else ""
    return f"{text}. {reason}".strip()


def same_elsewhere(count: int) -> str:
    """ "The same at 2 further places.", for `count` equal differences."""
    return f"The same at {count - 1:,} further place{'' if count == 2 else 's'}."


@cache
def _reasons() -> dict[str, str]:
    return {rule.id: rule.why for rule in iter_rules()}


class Equal(NamedTuple):
    """Equal differences: the first of them, with the operations of all, their positions and places."""

    first: Any
    operations: tuple[str, ...]
    places: tuple[FindingPlace, ...]


def merge(found: Iterable[Any]) -> list[Equal]:
    """Findings that say the same of several places, once each. Works on findings of the engine and items of reports:
    whatever has `rule`, `level`, `message`, `pointer`, `line` and `operations`."""
    merged: dict[tuple[str, str, str], list[Any]] = {}
    for one in found:
        merged.setdefault((one.rule, one.level, one.message), []).append(one)
    return [
        Equal(
            several[0],
            tuple(dict.fromkeys(name for one in several for name in one.operations)),
            tuple(
                FindingPlace(one.pointer, one.line, getattr(one, "side", "revision"), tuple(one.operations))
                for one in several
            ),
        )
        for several in merged.values()
    ]


def place_of(pointer: str) -> tuple[str, str]:
    """(component, member) of a place in a contract: ("Price", "amount"), ("POST /orders", "lines[].sku"), ("", "").

    Understands JSON Pointers, XPaths with names, and schema coordinates of GraphQL.
    """
    if named := _NAMED_ELEMENT.findall(pointer):
        return (named[0][1], named[-1][1]) if len(named) > 1 else (named[0][1], "")
    if "#" in pointer:
        pointer = pointer.partition("#")[2]
    if not pointer.startswith("/"):
        component, _, member = pointer.partition(".")
        return component, member
    return _of_tokens([token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]])


def _of_tokens(tokens: list[str]) -> tuple[str, str]:
    component, names, start = "", list[str](), 0
    if len(tokens) > 1 and tokens[0] in ("paths", "webhooks"):
        method = tokens[2] if len(tokens) > 2 else ""
        component = f"{method.upper()} {tokens[1]}" if method in _METHODS else tokens[1]
        start = 2
    elif len(tokens) > 1 and tokens[0] in ("channels", "operations"):
        component, start = tokens[1], 2
    index = start
    while index < len(tokens):
        word = tokens[index]
        follower = tokens[index + 1] if index + 1 < len(tokens) else None
        if follower is not None and word in _PARTS:
            component, names = follower, []
            index += 2
        elif follower is not None and word in _MEMBERS:
            names.append(follower)
            index += 2
        else:
            if names and word == "items":
                names[-1] += "[]"
            elif word == "additionalProperties":
                names.append("*")
            index += 1
    return component, ".".join(names)
