"""Canonical JSON and SHA-256 digests: the identity of everything that is approved.

Canonical form: UTF-8, keys sorted by code point, no white space, no NaN; the same rules as RFC 8785 but for numbers,
which keep their decimal text (a Decimal is written as it is, so 1.10 and 1.1 differ: an approver saw one of them).
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

PREFIX = "sha256:"


def _refuse(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _HoldsDecimal
    raise TypeError(f"{type(value).__name__} has no JSON form")


class _HoldsDecimal(Exception):
    """The quick encoder met a Decimal; the exact one takes over."""


_dump = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_refuse
).encode


def _exact(value: Any) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("NaN and infinity have no canonical form")
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dump(str(key))}:{_exact(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_exact, value)) + "]"
    return _dump(value)


def canonical_json(value: Any) -> bytes:
    """JSON bytes that are equal exactly when the values are equal.

    Raises TypeError or ValueError for a value that JSON cannot express.
    """
    try:
        return _dump(value).encode()
    except _HoldsDecimal:
        return _exact(value).encode()


def canonical_without_decimals(value: Any) -> str | None:
    """The same as text, for values of the usual kind; None for one that holds a Decimal or cannot be expressed."""
    try:
        return _dump(value)
    except (_HoldsDecimal, TypeError, ValueError, RecursionError):
        return None


def digest_bytes(data: bytes) -> str:
    """`sha256:<64 hex digits>` of raw bytes."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """`sha256:<64 hex digits>` of the canonical JSON of a value."""
    return digest_bytes(canonical_json(value))


def short(digest: str) -> str:
    """The first eight hex digits, for people."""
    return digest.removeprefix(PREFIX)[:8]


def is_digest(text: str) -> bool:
    body = text.removeprefix(PREFIX)
    return text.startswith(PREFIX) and len(body) == 64 and all(c in "0123456789abcdef" for c in body)
