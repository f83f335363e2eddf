"""What can go wrong with a mapping: findings while it is read, one error while it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

_POSITION = re.compile(r"\[\d+\]")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
MISSING = "is required and missing"


@dataclass(frozen=True, slots=True)
class MappingFinding:
    """One thing a reviewer has to know. `pointer` (RFC 6901) points into the mapping spec.

    `member` is the dotted path of a required member of the target that the mapping does not surely fill; empty
    otherwise.
    """

    code: str
    pointer: str
    message: str
    severity: Literal["error", "warning"] = "error"
    member: str = ""

    def as_data(self) -> dict[str, str]:
        return {"code": self.code, "pointer": self.pointer, "message": self.message, "severity": self.severity}


class Reject(Exception):
    """A value does not fit; the compiled mapping turns it into a MappingError that names the field."""


class MappingError(Exception):
    """One document cannot be mapped. Nothing of it was produced.

    field    target path, list positions filled in: `lines[3].amount`
    source   source path or paths that the field reads, positions filled in
    reason   why, in words
    excerpt  the offending value, at most 60 characters, or None where it is missing
    """

    def __init__(self, field: str, reason: str, *, source: str = "", excerpt: str | None = None) -> None:
        seen = f" (found {excerpt})" if excerpt is not None else ""
        origin = f" from {source}" if source else ""
        super().__init__(f"{field}{origin}: {reason}{seen}")
        self.field = field
        self.source = source
        self.reason = reason
        self.excerpt = excerpt

    @property
    def pattern(self) -> str:
        """The same for every document with the same fault: no list positions, no numbers, no values. For grouping dead
        letters."""
        return f"{_POSITION.sub('[]', self.field)}: {_NUMBER.sub('n', self.reason)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.field, self.reason, self.source, self.excerpt)

    def as_data(self) -> dict[str, str | None]:
        return {"field": self.field, "source": self.source, "reason": self.reason, "excerpt": self.excerpt}


def _restore(field: str, reason: str, source: str, excerpt: str | None) -> MappingError:
    return MappingError(field, reason, source=source, excerpt=excerpt)


def excerpt_of(value: Any, limit: int = 60) -> str:
    """A short, single-line picture of a value. Containers show their size only, so that no payload leaks into logs."""
    if isinstance(value, dict):
        return f"an object with {len(value)} members"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = (
        repr(value[: limit + 1])
        if isinstance(value, str)
        else str(value)
        if not isinstance(value, int)
        else _integer(value)
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _integer(value: int) -> str:
    return (
        repr(value)
        if isinstance(value, bool) or value.bit_length() < 256
        else f"an integer of {value.bit_length()} bits"
    )


def nearest(word: str, known: Any) -> str:
    """` Did you mean …?`, or nothing when no known word is close."""
    close = get_close_matches(word, [str(k) for k in known], n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
