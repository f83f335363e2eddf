"""Functions for JSON Pointers (RFC 6901) and for `$ref` references inside one document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""The result of `resolve` when the pointer names no value. None would be ambiguous: JSON `null` is a value."""


def escape(token: str) -> str:
    """One pointer token: `~` becomes `~0`, `/` becomes `~1`."""
    return token.replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def split(pointer: str) -> list[str]:
    """The plain tokens of a pointer: `/a~1b/0` → `["a/b", "0"]`. The root is `""`."""
    if not pointer:
        return []
    return [unescape(token) for token in pointer.removeprefix("/").split("/")]


def join(tokens: Iterable[str]) -> str:
    """The pointer made of plain tokens."""
    return "".join("/" + escape(token) for token in tokens)


def fragment_tokens(ref: str) -> list[str] | None:
    """Tokens of a local reference (`#/a~1b/c%20d`), or None when it is not a JSON Pointer into this document.

    Percent-encoding is undone before `~` escapes, as RFC 6901 §6 says.
    """
    if ref in ("#", ""):
        return []
    if not ref.startswith("#/"):
        return None
    fragment = ref[1:]
    if "%" in fragment:
        fragment = unquote(fragment)
    return split(fragment)


def descend(value: Any, tokens: Iterable[str]) -> Any:
    """The value below `value` at the tokens, or MISSING."""
    for token in tokens:
        if isinstance(value, dict):
            if token not in value:
                return MISSING
            value = value[token]
        elif isinstance(value, list):
            if (
                not (token.isascii() and token.isdecimal())
                or (len(token) > 1 and token[0] == "0")
                or int(token) >= len(value)
            ):
                return MISSING
            value = value[int(token)]
        else:
            return MISSING
    return value


def resolve(tree: Any, ref: str) -> Any:
    """The value that a local reference names, or MISSING. A reference to a reference is not followed further.

    Encoders disagree on `{id}` and `%7Bid%7D`, so a fragment that is not found decoded is also tried as written.
    """
    tokens = fragment_tokens(ref)
    if tokens is None:
        return MISSING
    found = descend(tree, tokens)
    if found is MISSING and "%" in ref:
        found = descend(tree, split(ref[1:]))
    return found
