"""What the catalog's API views share: scope, viewer, entity tags."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from kernel.digest import canonical_json
from kernel.errors import DomainError, Invalid, Stale, finding
from kernel.models import User
from kernel.viewer import Viewer

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "ETag of what you read; without it the answer is 428, with another than the present one 412;"
        " `*` means whatever is there"
    ),
)


class ConditionMissing(DomainError):
    """A write without If-Match. RFC 6585 §3."""

    status = 428
    title = "The write must be conditional"


S = TypeVar("S", bound=Serializer[Any])


class CatalogView(APIView):
    """Tokens need `catalog:read` for safe methods and `catalog:write` for the others."""

    scope = "catalog"

    @property
    def viewer(self) -> Viewer:
        return Viewer.of(self.request.user)

    @property
    def person(self) -> User:
        """The caller; the permission `SignedInWithScope` has refused anonymous requests before."""
        user: User = self.request.user  # type: ignore[assignment]
        return user

    def validated(self, serializer: type[Serializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        made = serializer(data=self.request.data, partial=partial)
        made.is_valid(raise_exception=True)
        data: dict[str, Any] = made.validated_data
        return data


def etag_of(body: Any) -> str:
    """A strong entity tag of a representation: the same body, the same tag."""
    return f'"{hashlib.sha256(canonical_json(_plain(body))).hexdigest()[:32]}"'


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def tags(header: str) -> list[str]:
    return [t.strip().removeprefix("W/") for t in header.split(",") if t.strip()]


def require_match(request: Request, present: str) -> None:
    """RFC 9110 §13.1.1: raises Stale (412) when If-Match names other tags than the present one, ConditionMissing (428)
    without it.

    Called under the lock of the row that is about to change, so that between the comparison and the write nobody else
    writes.
    """
    wanted = request.headers.get("If-Match", "").strip()
    if not wanted:
        raise ConditionMissing(
            "request.condition_missing",
            "Say what you have read: send its ETag as If-Match."
            " Without it a change by somebody else would be overwritten unseen.",
            {"etag": present},
        )
    if "*" not in tags(wanted) and present not in tags(wanted):
        raise Stale(
            "request.stale",
            "It has changed since you read it. Read it again and repeat your change.",
            {"etag": present},
        )


def conditional(request: Request, body: Any, *, headers: dict[str, str] | None = None) -> Response:
    """200 with an ETag, or 304 when If-None-Match names it (RFC 9110 §13.1.2)."""
    tag = etag_of(body)
    if request.headers.get("If-None-Match") and (
        tag in tags(request.headers["If-None-Match"]) or request.headers["If-None-Match"].strip() == "*"
    ):
        response = Response(status=304)
    else:
        response = Response(body)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def content_of(data: dict[str, Any]) -> tuple[bytes, str]:
    """(bytes, file name) of a contract that came as text or base64. Raises Invalid when it is neither."""
    if data.get("content_base64"):
        try:
            return base64.b64decode(data["content_base64"], validate=True), data.get("file_name", "")
        except (binascii.Error, ValueError):
            raise Invalid(
                "contract.base64",
                "This is not base64.",
                {"findings": [finding("/content_base64", "Not base64 (RFC 4648).")]},
            ) from None
    return data.get("content", "").encode(), data.get("file_name", "")
