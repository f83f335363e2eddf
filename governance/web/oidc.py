"""OpenID Connect sign-in by mozilla-django-oidc; `services.identity` maps claims to accounts and teams.

Only the issuer, client id and secret are configured; the endpoints come from the issuer's discovery document (OpenID
Connect Discovery 1.0 §4), read when somebody signs in and kept for an hour. Authorisation code flow with PKCE (S256),
state and nonce. Tokens are judged by `domain.id_tokens`.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model, logout
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.deprecation import MiddlewareMixin
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.middleware import SessionRefresh
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from governance.domain.id_tokens import RefusedToken, judge_id_token, judge_person, second_factor_asked_there
from governance.services import identity, provider_tokens
from governance.services.provider_tokens import discovered
from kernel import egress, sessions, sign_ins
from kernel.errors import DomainError, NotFound, Unavailable
from kernel.models import User

log = logging.getLogger(__name__)
ID_TOKEN = "oidc_id_token"  # noqa: S105 - the name of a place
"""In a session: the provider's token, which it wants to see again at the sign-out."""
_ENDPOINTS = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
_FIXED = {
    "OIDC_USE_PKCE": True,
    "OIDC_PKCE_CODE_CHALLENGE_METHOD": "S256",
    "OIDC_TIMEOUT": 5,
    "OIDC_AUTHENTICATION_CALLBACK_URL": "governance:oidc-callback",
    "OIDC_STORE_ACCESS_TOKEN": False,
    "OIDC_STORE_ID_TOKEN": False,
    "LOGIN_REDIRECT_URL_FAILURE": "/sign-in/?failed=1",
}


def setting(name: str, *default: Any) -> Any:
    """What the library asks for, from our few settings and the discovery document."""
    ours: dict[str, Any] = settings.OIDC
    if name in _ENDPOINTS:
        return discovered(ours["issuer"])[_ENDPOINTS[name]]
    if name == "OIDC_RP_CLIENT_ID":
        return ours["client_id"]
    if name == "OIDC_RP_CLIENT_SECRET":
        return ours["client_secret"]
    if name == "OIDC_RP_SCOPES":
        return ours.get("scopes", "openid profile email")
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
    """The library keeps state, nonce and PKCE; tokens are read and judged here; accounts and groups are ours."""

    get_settings = staticmethod(setting)

    def __init__(self) -> None:
        """Nothing is fetched here: Django makes every backend on every request."""
        self.UserModel = get_user_model()
        self.OIDC_RP_CLIENT_ID = settings.OIDC["client_id"]
        self.OIDC_RP_CLIENT_SECRET = settings.OIDC["client_secret"]

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> Any:
        """Only the callback brings a nonce; name and password are another backend's. Raises RefusedToken."""
        return super().authenticate(request, **kwargs) if settings.OIDC["issuer"] and "nonce" in kwargs else None

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        """RFC 6749 §4.1.3, with the way to name the client that the provider says it takes (§2.3.1)."""
        found = discovered(settings.OIDC["issuer"])
        ways = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        sent, auth = dict(payload), None
        if "client_secret_post" not in ways:
            auth = httpx.BasicAuth(quote(sent.pop("client_id"), ""), quote(sent.pop("client_secret"), ""))
        return _answer("POST", found["token_endpoint"], data=sent, auth=auth)

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        claims = provider_tokens.verified(token)
        judge_id_token(claims, provider_tokens.rules(), nonce=kwargs.get("nonce"))
        return claims

    def store_tokens(self, access_token: str, id_token: str) -> None:
        """The library's place for them; the request is the one that signs somebody in."""
        self.request.told_by_provider = id_token

    def get_userinfo(self, access_token: str, id_token: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The user info answer, completed by the signed id token. Its subject must be the token's (OIDC Core 1.0
        §5.3.2).
        """
        address = discovered(settings.OIDC["issuer"])["userinfo_endpoint"]
        found = _answer("GET", address, headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != payload.get("sub"):
            raise RefusedToken("subject", "the user info is about somebody else")
        claims = {**payload, **found}
        judge_person(claims, groups_claim=str(settings.OIDC["groups_claim"]))
        return claims

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


def _answered_by_our_provider(request: HttpRequest) -> None:
    """RFC 9207 §2.4: a provider that names itself in its answers does so in each. Raises RefusedToken."""
    issuer, said = settings.OIDC["issuer"], request.GET.get("iss")
    if said is None and discovered(issuer).get("authorization_response_iss_parameter_supported") is not True:
        return
    if said != issuer:
        raise RefusedToken("issuer", f"the answer names {str(said)[:80]!r} as its provider")


@method_decorator(login_not_required, name="dispatch")
class Callback(OIDCAuthenticationCallbackView):
    """Back from the identity provider. Whatever is wrong with its word ends on the sign-in page, which says so."""

    get_settings = staticmethod(setting)
    reason = "1"  # on the sign-in page: it was refused there, or somebody stopped

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        _required()
        self.request, asked = request, request.GET.get("state", "") in request.session.get("oidc_states", {})
        try:
            if asked:
                _answered_by_our_provider(request)
            made: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            return made
        except RefusedToken as refused:
            self.reason = refused.code
            log.warning("the identity provider's word was not believed: %s", refused)
        except SuspiciousOperation as refused:
            self.reason = "state"
            log.info("nobody began this sign-in: %s", refused)
        if asked and request.user.is_authenticated:
            logout(request)  # asked again, the provider did not confirm who this is
        return self.login_failure()

    def login_success(self) -> Any:
        """Asked again silently, the provider confirms who is signed in already: that is no sign-in."""
        before = self.request.user.pk
        answer = super().login_success()
        token = str(getattr(self.request, "told_by_provider", ""))
        self.request.session[ID_TOKEN] = token
        claims = provider_tokens.read(token)
        self.request.session[sessions.PROVIDER_SESSION] = str(claims.get("sid") or "")
        if self.user.pk != before:
            self.request.session[sessions.PROVIDER_TIME] = claims.get("iat")
            sessions.begin(self.request, way="provider")
            sign_ins.signed_in(self.request, self.user, way="provider")
        amr, acr = (settings.OIDC.get(f"second_factor_{name}", ()) for name in ("amr", "acr"))
        if second_factor_asked_there(claims, amr=amr, acr=acr):
            sessions.prove_second(self.request, way=sessions.PROVIDER)
        return answer

    def login_failure(self) -> Any:
        sign_ins.failed(self.request, "")
        return redirect(f"{reverse('sign-in')}?failed={self.reason}")


def end_session_address(request: HttpRequest) -> str | None:
    """Where the provider signs the person of this session out (OpenID Connect RP-Initiated Logout 1.0 §2); None where
    it did not sign them in, or has no such place, or OIDC_LOGOUT is no."""
    token = request.session.get(ID_TOKEN)
    if not token or not settings.OIDC["issuer"] or not settings.OIDC.get("logout", True):
        return None
    try:
        place = discovered(settings.OIDC["issuer"]).get("end_session_endpoint")
    except Unavailable:
        return None
    if not isinstance(place, str):
        return None
    said = {
        "id_token_hint": token,
        "client_id": settings.OIDC["client_id"],
        "post_logout_redirect_uri": request.build_absolute_uri(reverse("sign-in")),
    }
    return f"{place}{'&' if '?' in place else '?'}{urlencode(said)}"


def _of_our_provider(claims: dict[str, Any]) -> dict[str, Any]:
    """OIDC Core 1.0 §5.3.2: who signed user info is the issuer, and it was asked by this client."""
    rules, audience = provider_tokens.rules(), claims.get("aud", settings.OIDC["client_id"])
    if claims.get("iss", rules.issuer) != rules.issuer:
        raise RefusedToken("issuer", "the user info was issued by somebody else")
    if rules.client not in (audience if isinstance(audience, list) else [audience]):
        raise RefusedToken("audience", "the user info was issued for somebody else")
    return claims


def _answer(method: str, address: str, **sent: Any) -> dict[str, Any]:
    """What the provider says in JSON. Raises RefusedToken."""
    try:
        answer = egress.ask(method, address, **sent)
        answer.raise_for_status()
        if answer.headers.get("content-type", "").lower().startswith("application/jwt"):
            return _of_our_provider(provider_tokens.verified(answer.text))
        found = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise RefusedToken("provider", f"{address}: {type(error).__name__}: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise RefusedToken("provider", f"{address}: no object")
    return found


class Recheck(SessionRefresh):
    """Asks the identity provider again, silently (`prompt=none`, OIDC Core 1.0 §3.1.2.1), when half of the recheck time
    is over. A page view then redirects there and back: groups left at the provider are left here, and a sign-out
    there ends the session here. If the provider does not answer, pages still work, but decisions are refused.
    """

    get_settings = staticmethod(setting)

    def __init__(self, get_response: Any) -> None:
        """Nothing is fetched here: the middleware is made when the process starts."""
        MiddlewareMixin.__init__(self, get_response)

    OIDC_AUTHENTICATION_CALLBACK_URL = _FIXED["OIDC_AUTHENTICATION_CALLBACK_URL"]
    OIDC_USE_NONCE, OIDC_NONCE_SIZE, OIDC_STATE_SIZE = True, 32, 32
    exempt_url_patterns: frozenset[Any] = frozenset()

    @property
    def OIDC_RP_CLIENT_ID(self) -> str:  # noqa: N802 - the library's name
        return str(settings.OIDC["client_id"])

    @property
    def OIDC_RP_SCOPES(self) -> str:  # noqa: N802
        return str(setting("OIDC_RP_SCOPES"))

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
