"""What this service can do, and what its resources look like (RFC 7644 §4)."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.scim.base import MOST, ScimView, listed
from governance.domain.scim.errors import ScimError
from governance.domain.scim.schema import GROUPS, PEOPLE, ResourceType

CORE = "urn:ietf:params:scim:schemas:core:2.0"
KINDS = (PEOPLE, GROUPS)


def _refuse_filter(request: Request) -> None:
    """RFC 7644 §4: filters on these are forbidden, so that nobody takes a whole list for a narrowed one."""
    if "filter" in request.query_params:
        raise ScimError(403, "These lists are short and take no filter.")


class Service(ScimView):
    """ServiceProviderConfig (RFC 7643 §5)."""

    def get(self, request: Request) -> Response:
        _refuse_filter(request)
        return Response(
            {
                "schemas": [f"{CORE}:ServiceProviderConfig"],
                "patch": {"supported": True},
                "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
                "filter": {"supported": True, "maxResults": MOST},
                "changePassword": {"supported": False},
                "sort": {"supported": False},
                "etag": {"supported": True},
                "authenticationSchemes": [
                    {
                        "type": "oauthbearertoken",
                        "name": "Bearer token",
                        "description": "A token of the scope people:provision (RFC 6750).",
                        "primary": True,
                    }
                ],
                "meta": {"resourceType": "ServiceProviderConfig", "location": f"{self.base}/ServiceProviderConfig"},
            }
        )


def _schema(kind: ResourceType, base: str) -> dict[str, Any]:
    return {
        "schemas": [f"{CORE}:Schema"],
        "id": kind.urn,
        "name": kind.name,
        "description": kind.about,
        "attributes": [one.told() for one in kind.attributes],
        "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{kind.urn}"},
    }


def _type(kind: ResourceType, base: str) -> dict[str, Any]:
    return {
        "schemas": [f"{CORE}:ResourceType"],
        "id": kind.name,
        "name": kind.name,
        "endpoint": kind.endpoint,
        "description": kind.about,
        "schema": kind.urn,
        "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind.name}"},
    }


class Schemas(ScimView):
    def get(self, request: Request) -> Response:
        _refuse_filter(request)
        made = [_schema(kind, self.base) for kind in KINDS]
        return Response(listed(made, len(made), 1))


class Schema(ScimView):
    def get(self, request: Request, key: str) -> Response:
        kind = next((one for one in KINDS if one.urn.lower() == key.lower()), None)
        if kind is None:
            raise ScimError(404, f"There is no schema {key[:100]!r}.")
        return Response(_schema(kind, self.base))


class ResourceTypes(ScimView):
    def get(self, request: Request) -> Response:
        _refuse_filter(request)
        made = [_type(kind, self.base) for kind in KINDS]
        return Response(listed(made, len(made), 1))


class OneResourceType(ScimView):
    def get(self, request: Request, key: str) -> Response:
        kind = next((one for one in KINDS if one.name.lower() == key.lower()), None)
        if kind is None:
            raise ScimError(404, f"There is no resource type {key[:100]!r}.")
        return Response(_type(kind, self.base))


class NotHere(ScimView):
    """Addresses of SCIM that nothing stands behind; of the standard's own, the ones that are not carried out (§3.7,
    §3.11)."""

    def _refuse(self, request: Request, path: str = "") -> Response:
        if path.strip("/").lower() in ("bulk", "me"):
            raise ScimError(501, f"/{path[:40]} is not carried out here; ServiceProviderConfig says what is.")
        raise ScimError(404, f"There is nothing at /scim/v2/{path[:100]}.")

    get = post = put = patch = delete = _refuse
