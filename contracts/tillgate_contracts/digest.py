"""Canonical JSON and SHA-256 digests: equal digests mean equal contracts.

Canonical form: UTF-8, keys sorted by code point, no white space, no NaN; the rules of RFC 8785 but for numbers, which
keep their decimal text (a Decimal is written as it stands, so 1.10 and 1.1 differ). Tillgate's approvals bind these
digests.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

PREFIX = "sha256:"


class _HoldsDecimal(Exception):
    """The quick encoder met a Decimal; the exact one takes over."""


def _refuse(value: Any) -> Any:
    if isinstance(value, Decimal):
        raise _HoldsDecimal
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _dump(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_refuse
    )


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

    Raises TypeError or ValueError for values that JSON does not have.
    """
    try:
        return _dump(value).encode()
    except _HoldsDecimal:
        return _exact(value).encode()


def digest_bytes(data: bytes) -> str:
    """`sha256:<64 hex digits>` of raw bytes."""
    return PREFIX + hashlib.sha256(data).hexdigest()
