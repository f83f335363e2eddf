"""What the runtime's API views share: scope, viewer, environment, and lists that come from SQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from catalog.selectors import systems
from kernel.errors import Forbidden, NotFound
from kernel.models import ApiToken, User
from kernel.viewer import Viewer
from runtime import permissions
from runtime.models import Integration

DEFAULT = "production"


class RuntimeView(APIView):
    """Tokens need `runtime:read` for safe methods and `runtime:write` for the others."""

    scope = "runtime"

    @cached_property
    def viewer(self) -> Viewer:
        return Viewer.of(self.request.user)

    @property
    def actor(self) -> User:
        """The signed-in caller; the permission class has refused all others."""
        user = self.request.user
        if not isinstance(user, User):
            raise Forbidden("request.anonymous", "Sign in first.")
        return user

    @property
    def environment(self) -> str:
        """From the query string or the body; `production` without. Raises NotFound for one that does not exist."""
        return environment_of(self.request.query_params, self.request.data)

    def validated(self, serializer: type[Serializer[Any]], *, of: Any = None) -> dict[str, Any]:
        made = serializer(data=self.request.data if of is None else of)
        made.is_valid(raise_exception=True)
        data: dict[str, Any] = made.validated_data
        return data

    def integration(self, key: str, *, operate: bool = False) -> Integration:
        """One that the caller may see. Raises NotFound; with `operate`, Forbidden where the caller may only look."""
        found = permissions.visible(self.viewer).select_related("owner_team").filter(key=key).first()
        if found is None:
            raise _unseen(key)
        if operate:
            permissions.require_operate(self.viewer, found, outcome="Nothing was changed.")
        return found

    def require_push(self, key: str, environment: str) -> None:
        """Check that the caller may push messages: `runtime:write` and the right to operate, or `intake:write` and a
        grant.

        Raises NotFound and Forbidden as `integration` does, at a fraction of its cost.
        """
        token = self.request.auth if isinstance(self.request.auth, ApiToken) else None
        require_push(self.viewer, key, environment, token=token)


def environment_of(query: Mapping[str, Any], body: Any) -> str:
    """The environment that a call names, `production` without. Raises NotFound for one that does not exist."""
    named = query.get("environment") or (body.get("environment") if isinstance(body, dict) else None)
    key = str(named or DEFAULT)
    if key != DEFAULT and key not in {known for known, _, _ in systems.environments()}:
        raise NotFound("environment.unknown", f"There is no environment {key[:40]!r}.")
    return key


def require_push(viewer: Viewer, key: str, environment: str, *, token: ApiToken | None) -> None:
    """Raises NotFound and Forbidden."""
    allowed = permissions.may_push(viewer, key, environment, token=token)
    if allowed is None:
        raise _unseen(key)
    permissions.allow(allowed, outcome="Nothing was changed.")


def _unseen(key: str) -> NotFound:
    return NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
