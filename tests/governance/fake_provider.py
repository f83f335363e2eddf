"""A small identity provider that is strict about what it is asked: client, redirect address, code, PKCE, state."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.test import Client
from django.urls import reverse

CLIENT, SECRET = "tillgate", "s"
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
GONE = object()
"""In place of a claim: it is left out."""


class Provider(BaseHTTPRequestHandler):
    """Discovery, keys, token and user info; `claims` are what it says, `lie` is put over the token, `about` over the
    user info."""

    claims: dict[str, object] = {}
    lie: dict[str, object] = {}
    about: dict[str, object] = {}
    described: dict[str, object] = {}
    algorithm = "RS256"
    key: Any = None
    kid: str | None = None
    nonce = ""
    challenge = ""
    asked: dict[str, list[str]] = {}
    headers_seen: dict[str, str] = {}
    keys_read = 0

    @classmethod
    def begin(cls) -> None:
        cls.claims = {"sub": "abc-1", "given_name": "Olga", "family_name": "Ocean", "groups": ["grp-architects", "x"]}
        cls.lie, cls.about, cls.described = {}, {}, {}
        cls.algorithm, cls.key, cls.kid, cls.keys_read = "RS256", None, None, 0

    @property
    def me(self) -> str:
        assert isinstance(self.server, HTTPServer)
        return f"http://127.0.0.1:{self.server.server_port}"

    def do_GET(self) -> None:
        if self.path.endswith("openid-configuration"):
            names = {
                "authorization_endpoint": "auth",
                "token_endpoint": "token",
                "userinfo_endpoint": "me",
                "jwks_uri": "keys",
                "end_session_endpoint": "end",
            }
            ways = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
            there = {name: f"{self.me}/{path}" for name, path in names.items()}
            self.answer({"issuer": self.me} | ways | there | Provider.described)
        elif self.path == "/keys":
            Provider.keys_read += 1
            self.answer({"keys": [public(name) for name in KEYS]})
        elif self.headers["authorization"] == "Bearer a":
            self.answer(Provider.claims | Provider.about)
        else:
            self.send_error(401)

    def do_POST(self) -> None:
        asked = Provider.asked = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        Provider.headers_seen = dict(self.headers)
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        named = asked.get("client_id") == [CLIENT] and asked.get("client_secret") == [SECRET]
        digest = hashlib.sha256(asked.get("code_verifier", [""])[0].encode()).digest()
        if (
            not (named or self.headers.get("authorization") == f"Basic {basic}")
            or asked["code"] != ["c"]
            or not asked["redirect_uri"][0].endswith("/sign-in/provider/callback/")
            or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != Provider.challenge
        ):
            self.send_error(400)
            return
        token = signed({"iss": self.me, "sub": Provider.claims["sub"], "nonce": Provider.nonce} | Provider.lie)
        self.answer({"access_token": "a", "token_type": "Bearer", "id_token": token})

    def answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def public(name: str) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(name)
    said = algorithm.to_jwk(KEYS[name].public_key())
    return (json.loads(said) if isinstance(said, str) else said) | {"kid": f"k-{name}", "use": "sig"}


def signed(claims: dict[str, object], **headers: Any) -> str:
    now = int(time.time())
    said = {"aud": CLIENT, "iat": now, "exp": now + 60} | claims
    kept = {name: value for name, value in said.items() if value is not GONE}
    algorithm = Provider.algorithm
    key = Provider.key or KEYS.get(algorithm)
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": Provider.kid or f"k-{algorithm}"} | headers)


def oidc_settings(issuer: str, **more: Any) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "groups_claim": "groups",
        "recheck_minutes": 15,
    } | more


@contextmanager
def running() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    Provider.begin()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sign_in(client: Client) -> str:
    """The browser's way: to the provider, back with a code. Returns where it ends."""
    away = client.get(reverse("governance:oidc-start"))
    assert away.status_code == 302, away.content
    asked = parse_qs(urlsplit(away["Location"]).query)
    return back(client, asked)


def back(client: Client, asked: dict[str, list[str]]) -> str:
    Provider.nonce, Provider.challenge = asked["nonce"][0], asked["code_challenge"][0]
    assert asked["code_challenge_method"] == ["S256"]
    answer = client.get(reverse("governance:oidc-callback"), {"code": "c", "state": asked["state"][0]})
    return str(answer.get("Location", answer.status_code))
