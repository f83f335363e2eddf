"""Rules of recovery after the database went back, in plain Python."""

from __future__ import annotations

import re

REUSED_KEY_CODES = (
    "key_reused",
    "idempotency_key_reused",
    "idempotency_key_already_used",
    "idempotency_key_mismatch",
    "idempotency_error",
)
"""Codes by which vendors say that a key came with another message before. The product's own refusals end with the code
in brackets."""
REUSED_KEY = r"\[(" + "|".join(REUSED_KEY_CODES) + r")\]"
"""The same as an expression that Python and PostgreSQL read alike."""
_REUSED_KEY = re.compile(REUSED_KEY)
CANNOT_BE_ASKED = "recovery"
"""Reason class of what came after a rewind and cannot be asked about by business reference."""
KEY_FORGOTTEN = "forgotten"
"""Reason class of what may have been sent under a key that its vendor has forgotten, and cannot be asked about."""
QUESTION_AT_FAULT = "question"
"""Reason class of what is asked about in vain, because the question itself is wrong (the path of a lookup)."""
NOT_ASKABLE = [CANNOT_BE_ASKED, KEY_FORGOTTEN]


def key_was_reused(reason: str) -> bool:
    """Whether a refusal says that the vendor knows the key from another message: a redrive then needs a fresh one."""
    return _REUSED_KEY.search(reason) is not None
