"""The only exceptions that carry meaning across rooms.

A code is stable and dotted (`contract.duplicate_key`); the message is for a person and says what, where and what to do;
`data` is JSON and may hold `findings`: a list of `{"pointer", "message", "line"?, "code"?}`.
"""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """Base of every refusal. `status` is the HTTP status that the front door answers with."""

    status = 400
    title = "The request cannot be carried out"

    def __init__(self, code: str, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data: dict[str, Any] = data or {}

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"

    @property
    def findings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.data.get("findings", [])
        return found


class Invalid(DomainError):
    """The input is wrong in itself: syntax, shape or meaning."""

    status = 422
    title = "The input is not valid"


class Malformed(Invalid):
    """The body is not in the format that it claims to be in. RFC 9110 §15.5.1."""

    status = 400
    title = "The body cannot be read"


class TooLarge(Invalid):
    """The body is larger than is read. RFC 9110 §15.5.14."""

    status = 413
    title = "The body is too large"


class UnsupportedBody(Invalid):
    """The body is in a format, charset or content coding that is not read here. RFC 9110 §15.5.16."""

    status = 415
    title = "The format of the body is not supported"


class NotFound(DomainError):
    """There is no such thing, or none that the viewer may see. Both look the same on purpose."""

    status = 404
    title = "Not found"


class Unauthenticated(DomainError):
    """Nobody knows who is asking. RFC 9110 §15.5.2."""

    status = 401
    title = "Not signed in"


class Forbidden(DomainError):
    """The viewer is known, and may not do this."""

    status = 403
    title = "Not allowed"


class Conflict(DomainError):
    """The thing has moved on since the caller looked at it, or its state does not permit this step."""

    status = 409
    title = "Conflict with the present state"


class Stale(Conflict):
    """A conditional write (If-Match) met another version. RFC 9110 §13.1.1."""

    status = 412
    title = "The resource has changed since it was read"


class NotApproved(DomainError):
    """No valid approval binds this digest to this environment. `data["unmet"]` lists what is missing."""

    status = 403
    title = "Not approved"

    @property
    def unmet(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.data.get("unmet", [])
        return found


class Unavailable(DomainError):
    """Something that is needed does not answer now. Nothing was changed."""

    status = 503
    title = "Temporarily unavailable"


class Held(Unavailable):
    """Others keep what this needs locked, for a moment mostly. Nothing was done: the web server asks again for the
    caller, for a while."""


def finding(pointer: str, message: str, **more: Any) -> dict[str, Any]:
    """One entry of `data["findings"]`: JSON Pointer (RFC 6901) and a sentence."""
    return {"pointer": pointer, "message": message, **more}
