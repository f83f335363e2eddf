"""Regular expressions of schemas, as far as Python reads them."""

from __future__ import annotations

import re

_compiled: dict[str, re.Pattern[str] | None] = {}


def matches(pattern: str, text: str) -> bool:
    """Search of an ECMA-262 pattern, as far as Python reads it; an unreadable one matches nothing."""
    if pattern not in _compiled:
        try:
            _compiled[pattern] = re.compile(pattern.replace(r"\d", "[0-9]"))
        except (re.error, RecursionError, OverflowError):
            _compiled[pattern] = None
    found = _compiled[pattern]
    return found is not None and found.search(text) is not None


def readable(pattern: str) -> bool:
    matches(pattern, "")
    return _compiled[pattern] is not None


#: A class of characters or an escaped one: what looks like an assertion in there is none.
_LITERAL = re.compile(r"\\[^bB]|\[(?:\\.|[^\]\\])*\]")
_LOOKS_AROUND = re.compile(r"\\[bB]|\(\?[=!<]")
_WHOLE = re.compile(r"\^\(?(?:\.|\[\\s\\S\]|\[\^\])\*\)?\$")


def is_free(pattern: str) -> bool:
    """True for an expression that every text matches.

    A search finds the empty text at the start or at the end of every text, unless something asserts where it must
    stand: so an expression that matches the empty text is free while it asks for one end at most.
    """
    if not matches(pattern, ""):
        return False
    if _WHOLE.fullmatch(pattern.replace("{0,}", "*")):
        return True
    bare = _LITERAL.sub("", pattern)
    return not _LOOKS_AROUND.search(bare) and not ("^" in bare and "$" in bare)
