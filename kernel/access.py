"""Who is calling, and whether the token's scope covers it. Object permissions live in each room's `permissions.py`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import Error
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from kernel import tokens
from kernel.errors import Forbidden, Held
from kernel.models import ApiToken, User
from kernel.postgresql import errors
from kernel.tokens import ReadWithToken

SAFE = {"GET", "HEAD", "OPTIONS"}


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer tg_…` (RFC 6750)."""

    challenge = 'Bearer realm="tillgate"'

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed(_("The Authorization header is 'Bearer' and one token."))
        token = token_of(parts[1], self.along(request))
        return token.user, token

    def along(self, request: Request) -> ReadWithToken | None:
        """What a view needs with the token, in the same query."""
        return None

    def authenticate_header(self, request: Request) -> str:
        return self.challenge


def token_of(secret: bytes, along: ReadWithToken | None = None) -> ApiToken:
    """The valid token with this secret. Raises AuthenticationFailed; Held where the database has no room for a session
    of this thread: others of its process have one, and nothing was done yet."""
    try:
        token = tokens.find(secret.decode("ascii"), along)
    except UnicodeDecodeError:
        token = None
    except Error as error:
        if not errors.crowded(error):
            raise
        raise Held(*errors.reason(error)) from error
    if token is None:
        raise AuthenticationFailed(_("This token is unknown, expired or revoked. Ask a team owner for a new one."))
    return token


class BrowserSession(SessionAuthentication):
    """A person in a browser's session. The token against foreign forms comes in the header `X-CSRFToken`: that of
    Django REST framework looks for it in the body first, and so parses the body before the view that needs its bytes.
    """

    def enforce_csrf(self, request: Request) -> None:
        """Raises PermissionDenied. The body is no form, whatever it says it is."""
        plain: Any = request._request
        plain._post, plain._files = QueryDict(), MultiValueDict()
        super().enforce_csrf(plain)


class SignedInWithScope(BasePermission):
    """Allows signed-in people, and tokens whose scopes contain the one that the view needs.

    A view declares `scope = "catalog"`: safe methods need `catalog:read`, others `catalog:write`. Or it names a scope
    per method: `scopes = {"POST": "gate:ask"}`, or several of which one is enough. A view that declares nothing accepts
    sessions only, no tokens.
    """

    message = "Sign in, or send a token whose scopes cover this call."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        if not isinstance(request.auth, ApiToken):
            return True
        return covers(request.auth, view, request.method or "GET")


def decider(request: Request) -> User:
    """Who is calling, in a session of their own. Raises Forbidden `decision.by_token`: a token is what scripts hold,
    and a person who finds one must not be able to approve, lift or retract.
    """
    if isinstance(request.auth, ApiToken):
        raise Forbidden(
            "decision.by_token", "A token cannot decide. Decide on the page, or over the API in a session of your own."
        )
    if not isinstance(request.user, User):
        raise Forbidden("request.anonymous", "Sign in first.")
    if request.user.kind == User.Kind.AGENT:
        raise Forbidden("decision.by_agent", "An agent decides nothing. A person of its team does.")
    return request.user


def scopes_of(view: Any, method: str) -> tuple[str, ...]:
    """The scopes of which a token needs one for this method of the view; none where tokens are not admitted."""
    by_method: dict[str, str | tuple[str, ...]] = getattr(view, "scopes", {})
    if method in by_method:
        named = by_method[method]
        return (named,) if isinstance(named, str) else named
    family = getattr(view, "scope", None)
    return (f"{family}:{'read' if method in SAFE else 'write'}",) if family else ()


def covers(token: ApiToken, view: Any, method: str) -> bool:
    """Whether the token has one of the scopes of which this method of the view needs one."""
    return any(scope in token.scopes for scope in scopes_of(view, method))


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names the token: an HTTP bearer scheme."""

    target_class = "kernel.access.TokenAuthentication"
    match_subclasses = True
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "tg_…",
            "description": "A token of /settings/tokens/, with scopes.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document names the session: a cookie."""

    target_class = "kernel.access.BrowserSession"
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
