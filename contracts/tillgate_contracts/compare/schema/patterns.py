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
