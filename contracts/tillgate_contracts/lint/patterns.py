"""Patterns of rule files: regular expressions of JavaScript (ECMA-262 §22.2, without the flag u) as Python's."""

from __future__ import annotations

import re

MAX_TEXT = 100_000
"""Characters of a text that a pattern is tried on."""

_LITERAL = re.compile(r"/(.+)/([a-z]*)", re.DOTALL)
_OTHER_ESCAPE = re.compile(r"[A-Za-z]")
_MEANT = frozenset("bBdDfnrsStvwW")


class PatternError(ValueError):
    """The pattern cannot be used; the text says why."""


def from_text(text: str) -> re.Pattern[str]:
    """`/body/flags` or a plain pattern, as functions of rule files take it. `//` is two slashes. Raises
    PatternError.
    """
    found = _LITERAL.fullmatch(text)
    return to_regex(found.group(1), found.group(2)) if found else to_regex(text, "")


def to_regex(pattern: str, flags: str) -> re.Pattern[str]:
    """The pattern with the meaning that it has in JavaScript. Raises PatternError where Python has no such form."""
    if set(flags) - set("gimsuyd"):
        raise PatternError(f"the flags {flags} of a pattern are not known")
    many = "m" in flags
    kinds = re.ASCII | (re.IGNORECASE if "i" in flags else 0) | (re.DOTALL if "s" in flags else 0)
    try:
        return re.compile(_translated(pattern, many), kinds | (re.MULTILINE if many else 0))
    except (re.error, OverflowError) as error:
        raise PatternError(f"the pattern {pattern[:40]!r} is not supported: {error}") from None


def _translated(pattern: str, many: bool) -> str:
    made: list[str] = []
    position, in_class = 0, False
    while position < len(pattern):
        character = pattern[position]
        if character == "\\":
            text, position = _escape(pattern, position)
            made.append(text)
            continue
        if in_class:
            in_class = character != "]"
            made.append("\\" + character if character in "[&~|" else character)
        elif pattern.startswith(("[]", "[^]"), position):
            made.append("(?!)" if pattern[position + 1] == "]" else r"[\s\S]")
            position += 1 if pattern[position + 1] == "]" else 2
        elif character == "[":
            in_class = True
            made.append(character)
        elif character == "$" and not many:
            made.append(r"\Z")
        elif pattern.startswith("(?<", position) and pattern[position + 3 : position + 4] not in ("=", "!"):
            made.append("(?P<")
            position += 2
        else:
            made.append(character)
        position += 1
    return "".join(made)


def _escape(pattern: str, position: int) -> tuple[str, int]:
    """The escape that begins here in Python's words, and where it ends."""
    following = pattern[position + 1 : position + 2]
    if named := re.compile(r"\\k<(\w+)>").match(pattern, position):
        return f"(?P={named.group(1)})", named.end()
    if following in ("p", "P") and pattern[position + 2 : position + 3] == "{":
        raise PatternError("Unicode property classes in patterns are not supported")
    if code := re.compile(r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})").match(pattern, position):
        return code.group(), code.end()
    if following == "c" and pattern[position + 2 : position + 3].isalpha():
        return re.escape(chr(ord(pattern[position + 2]) % 32)), position + 3
    if following == "/" or (_OTHER_ESCAPE.match(following) and following not in _MEANT):
        return following, position + 2
    return "\\" + following, position + 2
