"""Signatures of what others send: HMAC-SHA256 over bytes as they came, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

SHORTEST_SECRET = 16
"""Characters. A shorter secret is guessed, an empty one is known to everybody."""


def made(secret: bytes, content: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA256 (RFC 2104)."""
    return hmac.new(secret, content, hashlib.sha256).digest()


def any_same(expected: Iterable[bytes], given: Iterable[bytes]) -> bool:
    """Whether one of what is expected was given. All pairs are compared, whichever fits, each in constant time."""
    sent, found = list(given), False
    for one in expected:
        for other in sent:
            found |= hmac.compare_digest(one, other)
    return found
