"""The exit codes, which are the contract with pipelines, and the exception that carries one."""

from __future__ import annotations

ALLOW, DENY, UNKNOWN, BAD_REQUEST, NO_VERDICT = range(5)
CODES = {"allow": ALLOW, "deny": DENY, "unknown": UNKNOWN}
EXPLAINED = " Exit codes: 0 allow, 1 deny, 2 unknown, 3 bad request, 4 no usable answer of the gate."


class Failure(Exception):
    """Nothing was answered or recorded. `again`: the same may be tried later, at the earliest after `pause` seconds."""

    def __init__(self, code: int, message: str, *, again: bool = False, pause: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.again = again
        self.pause = pause


def clean(text: object, limit: int = 2000) -> str:
    """Text from outside on one line, without control characters: it can write no line and no command of its own."""
    line = "".join(char if char.isprintable() else " " for char in str(text)[:limit])
    return " ".join(line.split())
