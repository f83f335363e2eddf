"""Asking an authorisation server for a token: RFC 6749 (client credentials, refresh, password), RFC 7523 (JWT)."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlencode

import jwt
import msgspec

from kernel import clock
from runtime.connectors.auth_settings import AuthSettings
from runtime.connectors.held_tokens import HeldToken
from runtime.connectors.http import HttpClient, raise_for
from runtime.connectors.outcomes import fault, meaning
from runtime.connectors.protocols import CallContext
from runtime.domain.templates import NoName, fill

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GRANTS = {
    "oauth2_client_credentials": "client_credentials",
    "oauth2_refresh_token": "refresh_token",
    "oauth2_password": "password",
    "oauth2_jwt_bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",
}
_LIFETIME = 300  # seconds of an assertion; also of a token whose answer does not say


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One grant of one connection. `secret(name)` reads a secret of the call, and raises ConnectionFault without."""

    settings: AuthSettings
    http: HttpClient
    call: CallContext
    secret: Callable[[str], str]

    @property
    def url(self) -> str:
        return self.filled(self.settings.token_url, in_path=True)

    def filled(self, template: str, *, in_path: bool = False) -> str:
        """A setting with its names. Raises ConnectionFault for one that the secret does not have."""

        def value_of(name: str) -> str | None:
            if name == "base_url":
                return str(self.http.base).rstrip("/")
            value = self.secret(name)
            return quote(value, safe="") if in_path else value

        try:
            return fill(template, value_of)
        except NoName as error:
            raise fault("secret", f"The sign-in needs {error.name!r}, which the secret has without a value") from None

    def sent(self, held: HeldToken | None) -> HeldToken:
        """A new token. Raises ConnectionFault where the client is refused, Retriable where the server is away."""
        form, headers = self._form(held), {"Content-Type": "application/x-www-form-urlencoded"}
        self._client(form, headers)
        url = self.url
        response = self.http.request(
            "POST", url, call=self.call, effect=False, for_token=True, content=urlencode(form).encode(), headers=headers
        )
        if meaning(response.status, "read") == "message":  # 400 invalid_client: RFC 6749 §5.2
            said = f"The token endpoint {url} refused the client ({response.status}{self._error(response.body)})"
            raise fault("credentials", self.call.secrets.redact(said), status=response.status)
        raise_for(response, call=self.call, effect=False, message="the token endpoint refused the client")
        try:
            answer = msgspec.json.decode(response.body)
            token, lifetime = str(answer["access_token"]), float(answer.get("expires_in", _LIFETIME))
            refresh = str(answer.get("refresh_token") or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise fault("credentials", f"The token endpoint {url} did not give an access_token") from None
        self.call.secrets.hide(token)
        if refresh:
            self.call.secrets.hide(refresh)
        return HeldToken.of(token, lifetime, refresh or (held.refresh if held else ""))

    def _form(self, held: HeldToken | None) -> dict[str, str]:
        settings = self.settings
        form = {"grant_type": _GRANTS[settings.kind]}
        if settings.kind == "oauth2_refresh_token":
            form["refresh_token"] = (held.refresh if held else "") or self.secret("refresh_token")
            self.call.secrets.hide(form["refresh_token"])
        elif settings.kind == "oauth2_password":
            form |= {"username": self.secret("user"), "password": self.secret("password")}
        elif settings.kind == "oauth2_jwt_bearer":
            form["assertion"] = self._assertion(self.secret("user"))
        for name in ("scope", "audience", "resource"):
            if value := self.filled(getattr(settings, name)):
                form[name] = value
        return form

    def _client(self, form: dict[str, str], headers: dict[str, str]) -> None:
        """How the client proves itself (RFC 6749 §2.3, RFC 7523 §2.2)."""
        way = self.settings.client_auth
        if self.settings.kind == "oauth2_jwt_bearer" and way == "post":
            return  # the assertion is the proof
        client = self.secret("client_id")
        if way == "basic":
            pair = f"{quote_plus(client)}:{quote_plus(self.secret('client_secret'))}"
            self.call.secrets.hide(pair)
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            return
        if way == "private_key_jwt":
            form |= {"client_assertion_type": _ASSERTION, "client_assertion": self._assertion(client)}
            return
        form["client_id"] = client
        if way == "post":
            form["client_secret"] = self.secret("client_secret")

    def _assertion(self, subject: str) -> str:
        settings, now = self.settings, int(clock.now().timestamp())
        audience = self.filled(settings.assertion_audience) or self._whole_url()
        claims: dict[str, object] = {
            "iss": self.secret("client_id"),
            "sub": subject,
            "aud": audience,
            "iat": now,
            "exp": now + _LIFETIME,
            "jti": str(uuid.uuid4()),
        }
        if settings.assertion_scope:
            claims["scope"] = settings.assertion_scope
        kid = settings.key_id or self.call.secrets_or_none(settings.secrets.get("key_id", "key_id"))
        headers = {"kid": kid} if kid else None
        try:
            made = jwt.encode(claims, self.secret("private_key"), settings.algorithm, headers=headers)
        except (ValueError, TypeError, jwt.PyJWTError, NotImplementedError) as error:
            said = f"The private key cannot sign by {settings.algorithm} ({type(error).__name__})"
            raise fault("secret", said) from None
        self.call.secrets.hide(made)
        return made

    def _whole_url(self) -> str:
        return str(self.http.url(self.url, for_token=True))

    def _error(self, body: bytes) -> str:
        """The code of RFC 6749 §5.2, which tells a person what is wrong."""
        try:
            code = msgspec.json.decode(body).get("error")
        except (ValueError, AttributeError, RecursionError):
            return ""
        return f", {code}" if isinstance(code, str) and len(code) < 80 else ""


__all__ = ["TokenRequest"]
