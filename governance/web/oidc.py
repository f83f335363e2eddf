"""OpenID Connect sign-in by mozilla-django-oidc; `services.identity` maps claims to accounts and teams.

Only the issuer, client id and secret are configured; the endpoints come from the issuer's discovery document (OpenID
Connect Discovery 1.0 §4), read when somebody signs in and kept for an hour. Authorisation code flow with PKCE (S256),
state and nonce.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.deprecation import MiddlewareMixin
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.middleware import SessionRefresh
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from governance.services import identity
from kernel.errors import DomainError, NotFound, Unavailable
from kernel.models import User

KEEP_SECONDS = 3600
_ENDPOINTS = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
_FIXED = {
    "OIDC_RP_SIGN_ALGO": "RS256",
    "OIDC_RP_SCOPES": "openid profile email",
    "OIDC_USE_PKCE": True,
    "OIDC_PKCE_CODE_CHALLENGE_METHOD": "S256",
    "OIDC_TIMEOUT": 5,
    "OIDC_AUTHENTICATION_CALLBACK_URL": "governance:oidc-callback",
    "OIDC_STORE_ACCESS_TOKEN": False,
    "OIDC_STORE_ID_TOKEN": False,
    "LOGIN_REDIRECT_URL_FAILURE": "/sign-in/?failed=1",
}
_known: dict[str, tuple[float, dict[str, Any]]] = {}


def discovered(issuer: str) -> dict[str, Any]:
    """The issuer's discovery document. Raises Unavailable `sign_in.provider` when it does not answer or names another
    issuer.
    """
    kept = _known.get(issuer)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    try:
        answer = httpx.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=5.0, trust_env=False)
        answer.raise_for_status()
        document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(
            "sign_in.provider", "The identity provider does not answer. Sign in with a local account, or try again."
        ) from error
    if (
        not isinstance(document, dict)
        or document.get("issuer") != issuer
        or not all(isinstance(document.get(k), str) for k in _ENDPOINTS.values())
    ):
        raise Unavailable(
            "sign_in.provider", "The identity provider's discovery document does not fit the configured issuer."
        )
    _known[issuer] = (time.monotonic() + KEEP_SECONDS, document)
    return document


def setting(name: str, *default: Any) -> Any:
    """What the library asks for, from our few settings and the discovery document."""
    ours: dict[str, Any] = settings.OIDC
    if name in _ENDPOINTS:
        return discovered(ours["issuer"])[_ENDPOINTS[name]]
    if name == "OIDC_RP_CLIENT_ID":
        return ours["client_id"]
    if name == "OIDC_RP_CLIENT_SECRET":
        return ours["client_secret"]
    if name == "OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS":
        return ours["recheck_minutes"] * 30
    if name in _FIXED:
        return _FIXED[name]
    if hasattr(settings, name):
        return getattr(settings, name)
    if default:
        return default[0]
    raise ImproperlyConfigured(f"{name} is not set.")


class Backend(OIDCAuthenticationBackend):
    """The library checks state, nonce and signature; issuer, audience and subject are checked here; accounts and
    groups are ours.
    """

    get_settings = staticmethod(setting)

    def __init__(self) -> None:
        """Nothing is fetched here: Django makes every backend on every request."""
        self.UserModel = get_user_model()
        self.OIDC_RP_CLIENT_ID = settings.OIDC["client_id"]
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC["client_secret"]
        self.OIDC_RP_SIGN_ALGO = _FIXED["OIDC_RP_SIGN_ALGO"]
        self.OIDC_RP_IDP_SIGN_KEY = None

    @property
    def OIDC_OP_TOKEN_ENDPOINT(self) -> str:  # noqa: N802 - the library's name
        return str(setting("OIDC_OP_TOKEN_ENDPOINT"))

    @property
    def OIDC_OP_USER_ENDPOINT(self) -> str:  # noqa: N802
        return str(setting("OIDC_OP_USER_ENDPOINT"))

    @property
    def OIDC_OP_JWKS_ENDPOINT(self) -> str:  # noqa: N802
        return str(setting("OIDC_OP_JWKS_ENDPOINT"))

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> Any:
        """Only the callback brings a nonce; name and password are another backend's."""
        return super().authenticate(request, **kwargs) if settings.OIDC["issuer"] and "nonce" in kwargs else None

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """OIDC Core 1.0 §3.1.3.7: issuer and audience must be ours; the expiry was checked with the signature."""
        payload: dict[str, Any] = super().verify_token(token, **kwargs)
        audience = payload.get("aud")
        if payload.get("iss") != settings.OIDC["issuer"] or self.OIDC_RP_CLIENT_ID not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise SuspiciousOperation("The token was issued by or for somebody else.")
        return payload

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The user info answer, completed by the signed id token. Its subject must be the token's (OIDC Core 1.0
        §5.3.2).
        """
        found: dict[str, Any] = super().get_userinfo(access_token, id_token, payload)
        if found.get("sub") != payload.get("sub"):
            raise SuspiciousOperation("The user info is about somebody else.")
        return {**payload, **found}

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        try:
            identity.username_of(claims)
        except DomainError:
            return False
        return True

    def filter_users_by_claims(self, claims: dict[str, Any]) -> Any:
        return User.objects.filter(username=identity.username_of(claims))

    def create_user(self, claims: dict[str, Any]) -> User:
        return identity.person_of(claims, groups_claim=str(settings.OIDC["groups_claim"]))

    def update_user(self, user: User, claims: dict[str, Any]) -> User:
        return identity.person_of(claims, groups_claim=str(settings.OIDC["groups_claim"]))


def _required() -> None:
    if not settings.OIDC["issuer"]:
        raise NotFound("sign_in.no_provider", "No identity provider is configured here.")


@method_decorator(login_not_required, name="dispatch")
class Start(OIDCAuthenticationRequestView):
    """Off to the identity provider."""

    get_settings = staticmethod(setting)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _required()
        super().__init__(*args, **kwargs)

    def get_extra_params(self, request: HttpRequest) -> dict[str, Any]:
        return {}


@method_decorator(login_not_required, name="dispatch")
class Callback(OIDCAuthenticationCallbackView):
    """Back from the identity provider."""

    get_settings = staticmethod(setting)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _required()
        made: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return made


class Recheck(SessionRefresh):
    """Asks the identity provider again, silently (`prompt=none`, OIDC Core 1.0 §3.1.2.1), when half of the recheck time
    is over. A page view then redirects there and back: groups left at the provider are left here, and a sign-out
    there ends the session here. If the provider does not answer, pages still work, but decisions are refused.
    """

    get_settings = staticmethod(setting)

    def __init__(self, get_response: Any) -> None:
        """Nothing is fetched here: the middleware is made when the process starts."""
        MiddlewareMixin.__init__(self, get_response)

    OIDC_RP_SCOPES = _FIXED["OIDC_RP_SCOPES"]
    OIDC_AUTHENTICATION_CALLBACK_URL = _FIXED["OIDC_AUTHENTICATION_CALLBACK_URL"]
    OIDC_USE_NONCE, OIDC_NONCE_SIZE, OIDC_STATE_SIZE = True, 32, 32
    exempt_url_patterns: frozenset[Any] = frozenset()

    @property
    def OIDC_RP_CLIENT_ID(self) -> str:  # noqa: N802 - the library's name
        return str(settings.OIDC["client_id"])

    @property
    def OIDC_OP_AUTHORIZATION_ENDPOINT(self) -> str:  # noqa: N802
        return str(setting("OIDC_OP_AUTHORIZATION_ENDPOINT"))

    @property
    def exempt_urls(self) -> set[str]:
        return {reverse("governance:oidc-start"), reverse("governance:oidc-callback"), reverse("sign-out")}

    def is_refreshable_url(self, request: HttpRequest) -> bool:
        fragment = "HX-Request" in request.headers
        return bool(settings.OIDC["issuer"]) and not fragment and bool(super().is_refreshable_url(request))

    def process_request(self, request: HttpRequest) -> Any:
        try:
            return super().process_request(request)
        except Unavailable:
            return None
