"""Canonical JSON and SHA-256 digests: the identity of everything that is approved.

Canonical form: UTF-8, keys sorted by code point, no white space, no NaN; the same rules as RFC 8785 but for numbers, which
keep their decimal text (a Decimal is written as it is, so 1.10 and 1.1 differ: an approver saw one of them).
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

PREFIX = "sha256:"


class _Number(float):
    """A Decimal on its way through the standard encoder, which prints floats by `__repr__`."""

    def __new__(cls, value: Decimal) -> _Number:
        made = super().__new__(cls, value)
        made.text = str(value)
        return made

    text: str

    def __repr__(self) -> str:
        return self.text


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("NaN and infinity have no canonical form")
        return _Number(value)
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"object keys are strings, not {type(key).__name__}")
    return key


def canonical_json(value: Any) -> bytes:
    """JSON bytes that are equal exactly when the values are equal. Raises TypeError or ValueError for what JSON has not."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


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
