"""The one exception of the package.

A code is stable and dotted (`contract.duplicate_key`, `compat.direction`, `lint.rules`, `policy.key`, `cli.file`). The
message tells a person what is wrong, where, and what to do. `data` is JSON and may hold `findings`: a list of
`{"pointer", "message", "line"?, "code"?}`.
"""

from __future__ import annotations

from typing import Any


class ContractError(Exception):
    """The input cannot be used: a contract, a rule file, a policy or an option is wrong in itself."""

    def __init__(self, code: str, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data: dict[str, Any] = data or {}

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The single faults, each with a JSON Pointer and, where it is known, the line in the file."""
        found: list[dict[str, Any]] = self.data.get("findings", [])
        return found


def finding(pointer: str, message: str, **more: Any) -> dict[str, Any]:
    """One entry of `data["findings"]`: JSON Pointer (RFC 6901) and a sentence, with `line` and `code` where known."""
    return {"pointer": pointer, "message": message, **more}
