"""Where a vendor's error body says what is wrong."""

from __future__ import annotations

import msgspec


class Errors(msgspec.Struct, frozen=True):
    """Where the vendor's error body says what is wrong: the first path that holds something wins; lists are read at
    element 0."""

    code: list[str] = msgspec.field(default_factory=lambda: ["code", "error", "errorCode", "title"])
    message: list[str] = msgspec.field(default_factory=lambda: ["message", "detail", "error_description", "title"])
