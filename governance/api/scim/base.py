"""What all addresses of SCIM share: who may call, media type, errors, pages, conditions."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from governance.domain.scim import errors
from governance.domain.scim.errors import ScimError
from governance.domain.scim.projection import projected
from governance.domain.scim.schema import ResourceType
from kernel import tokens
from kernel.access import TokenAuthentication
from kernel.errors import Invalid
from kernel.models import ApiToken, User
from kernel.request_bodies import StrictJSONParser

MEDIA_TYPE = "application/scim+json"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
MOST = 200
PAGE = 100


class ScimParser(StrictJSONParser):
    media_type = MEDIA_TYPE


class ScimRenderer(JSONRenderer):
    media_type = MEDIA_TYPE
    format = "scim"


class OneForm(BaseContentNegotiation):
    """Whatever the caller takes, it gets SCIM's JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        kind = (request.content_type or MEDIA_TYPE).partition(";")[0].strip().lower()
        return next((one for one in parsers if one.media_type == kind), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], MEDIA_TYPE


class ProvisioningToken(BasePermission):
    """A token of the scope `people:provision` alone, of a service account or an administrator. No session: who signed
    in is not the provider."""

    message = f"Send a token of the scope {tokens.PROVISION}, of a service account or an administrator."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ApiToken) or tokens.PROVISION not in request.auth.scopes:
            return False
        user = request.user
        return isinstance(user, User) and (user.kind == User.Kind.SERVICE or user.is_superuser)


@extend_schema(exclude=True)
class ScimView(APIView):
    """Its resources describe themselves at /scim/v2/Schemas, so they are not in the OpenAPI document."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [ProvisioningToken]
    parser_classes = [ScimParser, StrictJSONParser]
    renderer_classes = [ScimRenderer]
    content_negotiation_class = OneForm
    scopes = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), tokens.PROVISION)

    @property
    def caller(self) -> User:
        user: User = self.request.user  # type: ignore[assignment]  # the permission lets nobody else in
        return user

    @property
    def if_match(self) -> str:
        return self.request.headers.get("If-Match", "")

    @property
    def base(self) -> str:
        """The address of the service, without a slash at its end."""
        return base_of(self.request)

    def get_exception_handler(self) -> Any:
        return refused

    def body(self) -> Any:
        """The JSON of the request. Raises ScimError `invalidSyntax`."""
        try:
            return self.request.data
        except Invalid as error:
            if error.status not in (400, 422):
                raise
            found = "".join(f" {one['pointer']}: {one['message']}." for one in error.findings[:20])
            raise ScimError(400, f"{error.message}{found} Nothing was changed.", "invalidSyntax") from None

    def one(self, kind: ResourceType, document: dict[str, Any], *, status: int = 200) -> Response:
        """A resource with its entity tag and address; 304 where the caller has it already (RFC 7644 §3.14)."""
        tag = document["meta"]["version"]
        headers = {"ETag": tag, "Content-Location": document["meta"]["location"], "Cache-Control": "private, no-cache"}
        known = self.request.headers.get("If-None-Match", "")
        if self.request.method == "GET" and tag.removeprefix("W/") in [
            one.strip().removeprefix("W/") for one in known.split(",")
        ]:
            return Response(status=304, headers=headers)
        if status == 201:
            headers["Location"] = document["meta"]["location"]
        asked = self.request.query_params
        shown = projected(kind, document, asked.get("attributes", ""), asked.get("excludedAttributes", ""))
        return Response(shown, status=status, headers=headers)


def base_of(request: Request | HttpRequest) -> str:
    return request.build_absolute_uri(reverse("scim:service")).rstrip("/")


def listed(resources: list[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    """RFC 7644 §3.4.2."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "itemsPerPage": len(resources),
        "startIndex": start,
        "Resources": resources,
    }


def number(value: Any, name: str, default: int) -> int:
    """Raises ScimError `invalidValue` for what is no whole number."""
    if value in (None, ""):
        return default
    try:
        if isinstance(value, bool):
            raise ValueError
        return max(-1, min(int(value), 10**9))
    except (TypeError, ValueError):
        raise errors.invalid_value(f"{name}: a whole number, not {str(value)[:40]!r}.") from None


def refused(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal in SCIM's form (RFC 7644 §3.12), whatever it was; the headers are those of the product's own
    form."""
    handler: Any = api_settings.EXCEPTION_HANDLER
    made: Response | None = handler(error, context)
    if made is None:
        return None
    said: dict[str, Any] = made.data if isinstance(made.data, dict) else {}
    scim_type = error.scim_type if isinstance(error, ScimError) else ""
    findings = "".join(f" {one.get('pointer', '')}: {one.get('message', '')}" for one in said.get("findings", [])[:20])
    body = errors.document(made.status_code, f"{said.get('detail', '')}{findings}".strip(), scim_type)
    headers = {name: value for name, value in made.headers.items() if name.lower() != "content-type"}
    answer = Response(body, status=made.status_code, headers=headers, content_type=MEDIA_TYPE)
    answer.__dict__.update({name: value for name, value in made.__dict__.items() if name.startswith("tillgate_")})
    return answer
