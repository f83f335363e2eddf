"""Members of one name in one object of a JSON text: nobody can say which counts (RFC 8259 §4, RFC 7493 §2.3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson

_AT_ONCE = 256  # texts: what was made of them is still at hand when it is written again


class NamedTwice(ValueError):
    """Of several JSON texts one names a member of an object twice (RFC 7493 §2.3)."""


def any_named_twice(payloads: Sequence[bytes]) -> bool:
    """Whether one of many JSON texts names a member of an object twice. A parser keeps one member of each name, so that
    what it writes again has fewer colons; text keeps its colons, unless one was escaped."""
    return any(_any_of_few(payloads[at : at + _AT_ONCE]) for at in range(0, len(payloads), _AT_ONCE))


def _any_of_few(payloads: Sequence[bytes]) -> bool:
    page = b"[" + b",".join(payloads) + b"]"
    if not escapes_colons(page):
        try:
            return orjson.dumps(orjson.loads(page)).count(b":") != page.count(b":")
        except ValueError:
            pass
    return any(map(named_twice, payloads))


def escapes_colons(text: bytes) -> bool:
    """Whether a JSON text may hold a colon that is written as an escape."""
    return b"\\" in text and b"\\u003" in text


class SecondName(str):
    """A name that stands a second time in an object, and is another one to a dictionary."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def all_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object (for `object_pairs_hook`) that has each member of a name that stands twice, as a `SecondName`."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        made[SecondName(name) if name in made else name] = value
    return made


def every_member(payload: bytes) -> Any:
    """A JSON text as data that has each member of a name that stands twice. Raises ValueError and RecursionError."""
    return json.loads(payload.decode(), object_pairs_hook=all_members, parse_float=Decimal)


def named_twice(payload: bytes) -> str:
    """Says which member of an object a JSON text names twice, so that nobody can say what it holds; empty where none is
    or the text is no JSON."""
    found: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            found.append(next(name for name in names if names.count(name) > 1))

    try:
        # A number stays text: none is too long.
        json.loads(payload.decode(), object_pairs_hook=members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return ""
    return f"the name {found[0][:80]!r} stands twice in one object; it is not clear which counts" if found else ""
