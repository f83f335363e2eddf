"""Refusals of SCIM (RFC 7644 §3.12): an HTTP status, a word for programs, a sentence for people."""

from __future__ import annotations

from kernel.errors import DomainError

URN = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(DomainError):
    """`scim_type` is one of RFC 7644 table 9 (`invalidFilter`, `uniqueness` …), or empty."""

    def __init__(self, status: int, detail: str, scim_type: str = "") -> None:
        super().__init__(f"scim.{scim_type or status}", detail)
        self.status, self.scim_type = status, scim_type


def invalid_value(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidValue")


def document(status: int, detail: str, scim_type: str = "") -> dict[str, object]:
    """The body of an answer that refuses."""
    body: dict[str, object] = {"schemas": [URN], "status": str(status), "detail": detail}
    return body | ({"scimType": scim_type} if scim_type else {})
