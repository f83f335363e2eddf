"""Signing in, by kind. Secrets come with the call and leave with it; only an OAuth token is kept, in memory, until it
ends."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from kernel.errors import Invalid
from runtime.connectors.http import HttpClient, raise_for
from runtime.connectors.outcomes import fault, meaning
from runtime.connectors.protocols import CallContext

KINDS = ("none", "basic", "header", "bearer", "oauth2_client_credentials")


class Auth:
    """`headers(call)` gives the headers that sign a request in.

    none; basic (secrets `user`, `password`); bearer (secret `token`); header (`name`, `prefix`, secret `key`);
    oauth2_client_credentials (`token_url`, `scope`, secrets `client_id`, `client_secret`; RFC 6749 §4.4).
    `secrets` in the settings renames: `{"user": "erp_user"}` reads the secret `erp_user`.
    """

    def __init__(self, settings: Mapping[str, Any], http: HttpClient) -> None:
        self.kind = str(settings.get("kind", "none"))
        if self.kind not in KINDS:
            raise Invalid(
                "connection.auth", f"The auth kind {self.kind!r} is not available; there are {', '.join(KINDS)}."
            )
        self.settings, self.http = settings, http
        self.names: Mapping[str, str] = settings.get("secrets", {})
        self.tokens: dict[str, tuple[str, float]] = {}
        if self.kind == "oauth2_client_credentials" and not settings.get("token_url"):
            raise Invalid("connection.auth", "oauth2_client_credentials needs 'token_url'.")

    def headers(self, call: CallContext) -> dict[str, str]:
        if self.kind == "basic":
            pair = f"{self.secret(call, 'user')}:{self.secret(call, 'password')}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        if self.kind == "header":
            return {
                str(
                    self.settings.get("name", "X-API-Key")
                ): f"{self.settings.get('prefix', '')}{self.secret(call, 'key')}"
            }
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {self.secret(call, 'token')}"}
        if self.kind == "oauth2_client_credentials":
            return {"Authorization": f"Bearer {self.token(call)}"}
        return {}

    def forget(self) -> None:
        """After a 401: the next call fetches a new token."""
        self.tokens.clear()

    def secret(self, call: CallContext, name: str) -> str:
        return call.secrets[self.names.get(name, name)]

    def token(self, call: CallContext) -> str:
        client, secret = self.secret(call, "client_id"), self.secret(call, "client_secret")
        held = hashlib.sha256(f"{client}\0{secret}".encode()).hexdigest()
        kept = self.tokens.get(held)
        if kept and kept[1] > time.monotonic():
            call.secrets.hide(kept[0])
            return kept[0]
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        if scope := self.settings.get("scope"):
            form["scope"] = str(scope)
        url = str(self.settings["token_url"])
        response = self.http.request(
            "POST",
            url,
            call=call,
            effect=False,
            for_token=True,
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        if meaning(response.status, "read") == "message":  # 400 invalid_client: RFC 6749 §5.2
            raise fault(
                "credentials",
                f"The token endpoint {url} refused the client ({response.status})",
                status=response.status,
            )
        raise_for(response, call=call, effect=False, message="the token endpoint refused the client")
        try:
            answer = msgspec.json.decode(response.body)
            token, lifetime = str(answer["access_token"]), float(answer.get("expires_in", 300))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise fault("credentials", f"The token endpoint {url} did not give an access_token") from None
        call.secrets.hide(token)
        self.tokens[held] = (token, time.monotonic() + max(lifetime - 60, lifetime / 2))
        return token
