"""What another system quotes of a request names no secret, in whatever way it writes it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from runtime.connectors.protocols import CallContext, OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from tests.runtime.connectors.server import Server

USER, PASSWORD = "TELLER", 'pa/ss "wörd"+<1>&\'2'
SPELLINGS: dict[str, Callable[[], str]] = {
    "as it is": lambda: PASSWORD,
    "percent-encoded": lambda: quote(PASSWORD, safe=""),
    "with small digits": lambda: re.sub("%..", lambda found: found[0].lower(), quote(PASSWORD, safe="")),
    "as a form": lambda: quote_plus(PASSWORD),
    "as JSON": lambda: json.dumps(PASSWORD)[1:-1],
    "as JSON in UTF-8": lambda: json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
    "as HTML": lambda: html.escape(PASSWORD),
    "in Base64": lambda: base64.b64encode(PASSWORD.encode()).decode(),
    "as Basic": lambda: base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    "as Basic, for addresses": lambda: base64.urlsafe_b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    "in hexadecimal digits": lambda: PASSWORD.encode().hex(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_redacted(spelling: str) -> None:
    written = SPELLINGS[spelling]()
    said = Secrets({"user": USER, "password": PASSWORD}).redact(f"unexpected header <{written}> in request")
    assert written.rstrip("=") not in said
    assert said.startswith("unexpected header <***")


def test_what_is_short_or_is_no_secret_stays() -> None:
    assert Secrets({"pin": "123", "key": "abcdef"}).redact("123 abcde") == "123 abcde"


@pytest.mark.parametrize("kind", ["basic", "bearer", "header", "oauth2_client_credentials"])
def test_a_header_that_is_quoted_back_is_neither_in_the_reason_nor_in_the_answer(kind: str) -> None:
    def says(seen: Any) -> Any:
        if seen.path == "/token":
            return 200, {}, {"access_token": "the-token-that-was-given", "expires_in": 300}
        sent = seen.headers.get("authorization") or seen.headers.get("x-api-key")
        return 422, {}, {"code": "E", "message": f"unexpected header value {sent}"}

    with Server(says) as server:
        auth = {"kind": kind} | ({"token_url": f"{server.url}/token"} if kind.startswith("oauth2") else {})
        sink = open_sink("rest", {"base_url": server.url, "path": "x", "idempotency": "N", "auth": auth})
        secrets = Secrets(
            {"user": USER, "password": PASSWORD, "token": "a-bearer-token", "key": "an-api-key"}
            | {"client_id": "client-17", "client_secret": "its-secret"}
        )
        for _ in range(2):  # the second time with the token that is kept
            call = CallContext(deadline=5, secrets=Secrets(dict(secrets)))
            (result,) = sink.write([OutboundMessage("k", "tg-1", b"{}", {}, 1)], call=call)
            said = f"{result.message} {result.answer}"
            assert "***" in said
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("=")
            for secret in (basic, "a-bearer-token", "an-api-key", "the-token-that-was-given", "its-secret"):
                assert secret not in said
        sink.close()
