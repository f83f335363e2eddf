"""A provider that calls SCIM: a token of a service account, and what it sends."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from kernel import tokens
from kernel.models import User

JSON = "application/scim+json"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Directory:
    """Calls below /scim/v2 in the name of the service account `directory`."""

    def __init__(self, *, media_type: str = JSON) -> None:
        self.account, _ = User.objects.get_or_create(username="directory", defaults={"kind": User.Kind.SERVICE})
        _, self.secret = tokens.issue(actor=None, user=self.account, name="scim", scopes=[tokens.PROVISION])
        self.client = Client(raise_request_exception=False)
        self.media_type = media_type

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body) if body is not None else ""
        told = {"Authorization": f"Bearer {self.secret}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client.generic(method, f"/scim/v2{path}", data, content_type=self.media_type, headers=told)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def person(self, user_name: str, **more: Any) -> dict[str, Any]:
        """A person that is made; the resource."""
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": user_name,
            "emails": [
                {
                    "value": user_name if "@" in user_name else f"{user_name}@shop.example",
                    "type": "work",
                    "primary": True,
                }
            ],
        } | more
        made = self.call("POST", "/Users", body)
        assert made.status_code == 201, made.content
        return made.json()

    def group(self, name: str, *people: dict[str, Any], **more: Any) -> dict[str, Any]:
        body = {"displayName": name, "members": [{"value": one["id"]} for one in people]} | more
        made = self.call("POST", "/Groups", body)
        assert made.status_code == 201, made.content
        return made.json()

    def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> Any:
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)

    def people(self, *lines: dict[str, Any]) -> dict[str, Any]:
        """What the same token writes by the list of people; the report."""
        told = {"Authorization": f"Bearer {self.secret}"}
        body = json.dumps({"people": list(lines)})
        made = self.client.post("/api/v1/people", body, content_type="application/json", headers=told)
        assert made.status_code == 200, made.content
        return made.json()
