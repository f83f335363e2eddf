"""Regular expressions of schemas, tried on texts within bounds of time."""

from __future__ import annotations

import re
from functools import lru_cache

from tillgate_contracts.schemas import TextPattern, UnusableSchema


def matches(pattern: str, text: str) -> bool | None:
    """Search of an ECMA-262 pattern; None where that is not decided: an unreadable one, or one that takes too long."""
    found = _read(pattern)
    return None if found is None else found.found_in(text)


def readable(pattern: str) -> bool:
    return _read(pattern) is not None


@lru_cache(maxsize=2048)
def _read(pattern: str) -> TextPattern | None:
    try:
        return TextPattern(pattern)
    except UnusableSchema:
        return None


#: A class of characters or an escaped one: what looks like an assertion in there is none.
_LITERAL = re.compile(r"\\[^bB]|\[(?:\\.|[^\]\\])*\]")
_LOOKS_AROUND = re.compile(r"\\[bB]|\(\?[=!<]")
#: A dot stands for no line end (ECMA-262 section 22.2.2.7.1).
_WHOLE = re.compile(r"\^\(?(?:\[\\s\\S\]|\[\\S\\s\]|\[\\d\\D\]|\[\\w\\W\]|\[\^\])\*\)?\$")


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
