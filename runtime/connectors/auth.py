"""Signing in, by kind (`auth_settings`). Secrets come with the call and leave with it; only tokens that were got with
them are kept, and shared (`held_tokens`)."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kernel import clock
from runtime.connectors import signatures
from runtime.connectors.auth_settings import auth_settings
from runtime.connectors.held_tokens import HeldToken
from runtime.connectors.http import HttpClient
from runtime.connectors.protocols import CallContext, Retriable
from runtime.connectors.settings import wrong_setting
from runtime.connectors.token_requests import TokenRequest


class Auth:
    """`headers(call)` gives the headers that sign a request in; where each request is signed by what is in it
    (`signs`), `signed` gives them, and the connector has to ask for that (`for_requests`)."""

    def __init__(self, settings: Mapping[str, Any], http: HttpClient, *, for_requests: bool = False) -> None:
        self.given = given = auth_settings(settings)
        self.kind, self.http = given.kind, http
        self.names: Mapping[str, str] = given.secrets
        self.signs = given.signs
        self.tokens: dict[str, HeldToken] = {}  # what this connection has used
        self._refused = ""
        if self.signs and not for_requests:
            raise wrong_setting("/auth/kind", f"This connector has no sign-in of the kind {given.kind!r}.")
        if given.client_certificate and http.context is None:
            raise wrong_setting("/auth/client_certificate", "A certificate is shown over https alone.")

    def headers(self, call: CallContext) -> dict[str, str]:
        if self.given.client_certificate:
            self.http.show(self.secret(call, "client_certificate"), self.secret(call, "client_key"))
        if self.kind == "basic":
            pair = f"{self.secret(call, 'user')}:{self.secret(call, 'password')}"
            return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        if self.kind == "header":
            return {self.given.name: f"{self.given.prefix}{self.secret(call, 'key')}"}
        if self.kind == "bearer":
            return {"Authorization": f"Bearer {self.secret(call, 'token')}"}
        if self.given.is_token:
            return {"Authorization": f"Bearer {self.token(call)}"}
        return {}

    def parameters(self, call: CallContext) -> dict[str, str]:
        """What signs a request in within its query."""
        return {self.given.name: self.secret(call, "key")} if self.kind == "query" else {}

    def signed(self, call: CallContext, method: str, url: str, body: bytes, media: str = "") -> dict[str, str]:
        """The headers that sign this very request; none where a request is not signed."""
        if self.kind == "oauth1":
            names = ("consumer_key", "consumer_secret", "token", "token_secret")
            form = body.decode("utf-8", "replace") if media == "application/x-www-form-urlencoded" else ""
            header = signatures.oauth1_header(
                method,
                url,
                {name: self.secret(call, name) for name in names},
                realm=self._request(call).filled(self.given.realm),
                timestamp=int(clock.now().timestamp()),
                nonce=uuid.uuid4().hex,
                form=form,
            )
            return {"Authorization": header}
        return self._mac(call, method, url, body) if self.kind == "signature" else {}

    def _mac(self, call: CallContext, method: str, url: str, body: bytes) -> dict[str, str]:
        given, parts = self.given, urlsplit(url)
        key_id = self.secret(call, "key_id") if given.key_name or "{key_id}" in given.content else ""
        values = {
            "method": method,
            "path": parts.path or "/",
            "query": parts.query,
            "timestamp": str(int(clock.now().timestamp())),
            "nonce": uuid.uuid4().hex,
            "key_id": key_id,
            "body_sha256": signatures.body_sha256(body),
        }
        content = signatures.signed_content(given.content, values, body)
        made = signatures.mac(content, self.secret(call, "secret"), digest=given.hash, encoding=given.encoding)
        headers = {given.name: f"{given.prefix}{made}"}
        for header, name in (
            (given.timestamp_name, "timestamp"),
            (given.nonce_name, "nonce"),
            (given.key_name, "key_id"),
        ):
            if header:
                headers[header] = values[name]
        return headers

    def forget(self) -> None:
        """After a 401: the next call fetches a new token, unless somebody else has got one meanwhile."""
        self._refused = next((token.access for token in self.tokens.values()), "")
        self.tokens.clear()

    def secret(self, call: CallContext, name: str) -> str:
        return call.secrets[self.names.get(name, name)]

    def token(self, call: CallContext) -> str:
        request = self._request(call)
        name = self._name(call, request.url)
        kept = self.tokens.get(name)
        if kept is None or not kept.is_fresh(self._refused):
            kept = call.secrets.tokens.held(name)
        if kept is None or not kept.is_fresh(self._refused):
            kept = self._renewed(name, kept, request)
        self.tokens = {name: kept}
        call.secrets.hide(kept.access)
        return kept.access

    def _request(self, call: CallContext) -> TokenRequest:
        return TokenRequest(self.given, self.http, call, lambda name: self.secret(call, name))

    def _renewed(self, name: str, held: HeldToken | None, request: TokenRequest) -> HeldToken:
        """A new token; the one that is there for as long as it is valid, where nobody can be asked now."""
        try:
            return request.call.secrets.tokens.renewed(name, self._refused, request.sent)
        except Retriable:
            if held is None or not held.serves(self._refused):
                raise
            return held

    def _name(self, call: CallContext, url: str) -> str:
        """Under which name a token is kept: everything that it was asked for with."""
        given = self.given
        kinds = {"oauth2_password": ("user", "password"), "oauth2_refresh_token": ("refresh_token",)}
        secrets = ["client_id", *kinds.get(given.kind, ()), *(("user",) if given.kind == "oauth2_jwt_bearer" else ())]
        if given.client_auth in ("post", "basic") and given.kind != "oauth2_jwt_bearer":
            secrets.append("client_secret")
        parts = [given.kind, str(self.http.url(url, for_token=True)), given.scope, given.audience, given.resource]
        parts += [self.secret(call, one) for one in secrets]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


__all__ = ["Auth"]
