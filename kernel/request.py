"""The id of the request being served; ledger entries, problem documents and outgoing calls carry it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str] = ContextVar("tillgate_request_id", default="")

CALLS = ("/api/", "/scim/", "/hooks/")
"""Where programs ask, which want no page and come with no session of a browser."""


def is_call(path: str) -> bool:
    """Whether an address is one of programs."""
    return path.startswith(CALLS)


def request_id() -> str:
    """32 hex digits within a request or task, an empty string outside."""
    return _request_id.get()


@contextmanager
def serving(identifier: str | None = None) -> Iterator[str]:
    """Within the block `request_id()` returns this id.

    A new one is made when none is given, or when the given one is not 1 to 64 letters, digits, `-` or `_`.
    """
    usable = (
        bool(identifier) and len(identifier or "") <= 64 and all(c.isalnum() or c in "-_" for c in identifier or "")
    )
    chosen = identifier if usable and identifier else uuid.uuid4().hex
    token = _request_id.set(chosen)
    try:
        yield chosen
    finally:
        _request_id.reset(token)
