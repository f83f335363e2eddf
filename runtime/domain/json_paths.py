"""Paths into JSON documents of vendors, as the settings of a connection give them: names joined by dots. A name that
has a dot itself stands in backticks (`` `page.next`.href ``); the names of OData need none (`@odata.nextLink`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

import msgspec

MOST_STEPS, LONGEST = 16, 500
_QUOTED, _BARE = r"`[^`\"\\\x00-\x1f]+`", r"(?:[^.`@]*@odata\.)?[^.`\"\\\x00-\x1f]+"
_STEP = re.compile(rf"({_QUOTED})|({_BARE})")
PATTERN = rf"^(?:(?:{_QUOTED}|{_BARE})(?:\.(?:{_QUOTED}|{_BARE})){{0,{MOST_STEPS - 1}}})?\Z"
WRONG = (
    "this is no path: names are joined by dots, one with a dot of its own stands in backticks, and none has quotation "
    f"marks, backslashes or control characters; {MOST_STEPS} at most"
)

JsonPath = Annotated[str, msgspec.Meta(pattern=PATTERN, max_length=LONGEST)]


@lru_cache(4_096)
def steps(path: str) -> tuple[str, ...]:
    """The names of a path; of what is none, what stands between its dots."""
    found, at = list[str](), 0
    while path:
        step = _STEP.match(path, at)
        if step is None:
            return tuple(path.split("."))
        found.append(step[1][1:-1] if step[1] else step[2])
        at = step.end()
        if at == len(path):
            break
        if path[at] != ".":
            return tuple(path.split("."))
        at += 1
    return tuple(found)


__all__ = ["LONGEST", "MOST_STEPS", "PATTERN", "WRONG", "JsonPath", "steps"]
