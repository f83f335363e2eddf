"""Every way of signing in, against a server that checks what it gets."""

from __future__ import annotations

import base64
import hmac
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kernel.errors import Invalid
from runtime.connectors import signatures
from runtime.connectors.held_tokens import ProcessTokens
from runtime.connectors.protocols import CallContext, ConnectionFault, OutboundMessage, Retriable, Secrets
from runtime.connectors.registry import open_sink, open_source
from tests.faults.certificates import Certificates
from tests.runtime.connectors.server import Server

CLIENT = {"client_id": "me:1", "client_secret": "se/cret"}


def call(secrets: dict[str, str], tokens: ProcessTokens | None = None) -> CallContext:
    return CallContext(Secrets(secrets, tokens=tokens or ProcessTokens()), deadline=10.0)


class Estate:
    """A token endpoint and a resource. `tokens` are given one after the other; `forms` is what was asked with."""

    def __init__(self, **answer: Any) -> None:
        self.answer, self.forms, self.heads, self.refused = answer, [], [], set[str]()
        self.status = 200
        self.server = Server(self.says)

    def says(self, seen: Any) -> Any:
        if seen.path.endswith("/token"):
            self.forms.append({name: one[0] for name, one in parse_qs(seen.body.decode()).items()})
            self.heads.append(seen.headers)
            given = {"access_token": f"t{len(self.forms)}", "expires_in": 3600, **self.answer}
            return self.status, {}, given if self.status == 200 else {"error": "invalid_grant"}
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.refused or not token.startswith("t"):
            return 401, {}, {}
        return 200, {}, {"data": [{"id": 1}]}

    def source(self, **auth: Any) -> Any:
        settings = {"path": "/rows", "items": "data", "key_fields": ["id"], "base_url": self.server.url}
        return open_source("rest", {**settings, "auth": {"token_url": "/oauth/token", **auth}})

    def read(self, secrets: dict[str, str], tokens: ProcessTokens | None = None, **auth: Any) -> None:
        source = self.source(**auth)
        try:
            assert len(source.read(None, call=call(secrets, tokens)).records) == 1
        finally:
            source.close()


@pytest.fixture
def estate() -> Iterator[Estate]:
    made = Estate()
    with made.server:
        yield made


def pem(key: Any) -> str:
    kinds = serialization
    return key.private_bytes(kinds.Encoding.PEM, kinds.PrivateFormat.PKCS8, kinds.NoEncryption()).decode()


def test_a_client_proves_itself_in_the_form_or_by_basic_as_rfc_6749_says(estate: Estate) -> None:
    estate.read(CLIENT, kind="oauth2_client_credentials", scope="a b", audience="https://x")
    assert estate.forms[0] == {"grant_type": "client_credentials", **CLIENT, "scope": "a b", "audience": "https://x"}
    estate.read(CLIENT, kind="oauth2_client_credentials", client_auth="basic")
    assert estate.forms[1] == {"grant_type": "client_credentials"}
    said = base64.b64decode(estate.heads[1]["authorization"].removeprefix("Basic ")).decode()
    assert said == "me%3A1:se%2Fcret"


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("PS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("ES384", ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_a_client_proves_itself_by_a_jwt_that_its_key_signed(estate: Estate, algorithm: str, key: Any) -> None:
    secrets = {"client_id": "me", "private_key": pem(key), "key_id": "cert-7"}
    estate.read(
        secrets,
        kind="oauth2_client_credentials",
        client_auth="private_key_jwt",
        algorithm=algorithm,
        assertion_scope=["rest_webservices"],
    )
    form = estate.forms[0]
    assert set(form) == {"grant_type", "client_assertion_type", "client_assertion"}
    audience = f"{estate.server.url}/oauth/token"
    claims = jwt.decode(form["client_assertion"], key.public_key(), [algorithm], audience=audience)
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("me", "me", ["rest_webservices"])
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "cert-7"


def test_a_jwt_is_the_grant_itself_where_the_vendor_wants_it(estate: Estate) -> None:
    key = rsa.generate_private_key(65537, 2048)
    secrets = {"client_id": "me", "user": "anna@example.com", "private_key": pem(key)}
    estate.read(secrets, kind="oauth2_jwt_bearer", algorithm="RS256", assertion_audience="https://login.example.com")
    form = estate.forms[0]
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(form["assertion"], key.public_key(), ["RS256"], audience="https://login.example.com")
    assert (claims["iss"], claims["sub"]) == ("me", "anna@example.com")


@pytest.mark.parametrize("key", ["no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_key_that_cannot_sign_is_a_fault_of_the_secret_that_does_not_show_it(estate: Estate, key: str) -> None:
    source = estate.source(kind="oauth2_client_credentials", client_auth="private_key_jwt")
    with pytest.raises(ConnectionFault, match="cannot sign by PS256") as told:
        source.read(None, call=call({"client_id": "me", "private_key": key}))
    source.close()
    assert told.value.kind == "secret"
    assert key not in str(told.value)


def test_a_password_is_sent_where_a_vendor_still_needs_it(estate: Estate) -> None:
    estate.read(CLIENT | {"user": "u", "password": "p"}, kind="oauth2_password")
    assert estate.forms[0] == {"grant_type": "password", **CLIENT, "username": "u", "password": "p"}


def test_a_refresh_token_that_is_replaced_is_kept_before_the_access_token_is_used() -> None:
    class Watched(ProcessTokens):
        """Says what it was told to keep, and when."""

        def renewed(self, name: str, refused: str, fetch: Any) -> Any:
            made = super().renewed(name, refused, fetch)
            kept.append((made.refresh, len(estate.server.seen)))
            return made

    kept: list[tuple[str, int]] = []
    estate, tokens = Estate(refresh_token="r1"), Watched()
    secrets = CLIENT | {"refresh_token": "r0"}
    with estate.server:
        estate.read(secrets, tokens, kind="oauth2_refresh_token")
        estate.answer["refresh_token"] = "r2"
        estate.refused.add("t1")
        estate.read(secrets, tokens, kind="oauth2_refresh_token")
        del estate.answer["refresh_token"]
        estate.refused.add("t2")
        estate.read(secrets, tokens, kind="oauth2_refresh_token")
    assert [form["refresh_token"] for form in estate.forms] == ["r0", "r1", "r2"]
    assert [refresh for refresh, _ in kept] == ["r1", "r2", "r2"], "one that is not replaced stays"
    assert kept[0][1] == 1, "nothing was asked for with the access token yet"


def test_a_new_refresh_token_in_the_secret_counts_at_once(estate: Estate) -> None:
    tokens = ProcessTokens()
    estate.read(CLIENT | {"refresh_token": "old"}, tokens, kind="oauth2_refresh_token")
    estate.read(CLIENT | {"refresh_token": "new"}, tokens, kind="oauth2_refresh_token")
    assert [form["refresh_token"] for form in estate.forms] == ["old", "new"]


def test_connections_share_a_token_and_renew_it_once(estate: Estate) -> None:
    tokens, auth = ProcessTokens(), {"kind": "oauth2_client_credentials"}
    for _ in range(3):
        estate.read(CLIENT, tokens, **auth)
    assert len(estate.forms) == 1
    estate.refused.add("t1")
    sources = [estate.source(**auth) for _ in range(4)]
    for source in sources:  # each holds the token that is refused now
        source.session.auth.headers(call(CLIENT, tokens))
    threads = [
        threading.Thread(target=source.read, args=(None,), kwargs={"call": call(CLIENT, tokens)}) for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for source in sources:
        source.close()
    assert len(estate.forms) == 2


def test_a_401_renews_once_and_then_is_a_fault(estate: Estate) -> None:
    estate.refused |= {"t1", "t2", "t3", "t4"}
    source = estate.source(kind="oauth2_client_credentials")
    with pytest.raises(ConnectionFault) as told:
        source.read(None, call=call(CLIENT))
    source.close()
    assert told.value.kind == "credentials"
    assert [seen.path for seen in estate.server.seen] == ["/oauth/token", "/rows", "/oauth/token", "/rows"]


def test_a_token_is_renewed_before_it_ends_and_serves_while_the_server_of_tokens_is_away() -> None:
    estate, tokens = Estate(expires_in=0.5), ProcessTokens()
    with estate.server:
        source = estate.source(kind="oauth2_client_credentials")
        given = call(CLIENT, tokens)
        source.read(None, call=given)
        name = next(iter(source.session.auth.tokens))
        held = tokens.held(name)
        assert held is not None
        assert 0.2 < held.ends_at - held.renew_at < 0.3
        # Half of its life is over: it is old, and valid.
        tokens._tokens[name] = source.session.auth.tokens[name] = type(held)("t1", 0.0, held.ends_at + 3600)
        estate.status = 503
        source.read(None, call=given)
        tokens._tokens[name] = source.session.auth.tokens[name] = type(held)("t1", 0.0, 0.0)
        with pytest.raises(Retriable):
            source.read(None, call=given)
        source.close()


def test_a_refused_grant_says_with_what_code_and_shows_no_secret(estate: Estate) -> None:
    estate.status = 400
    source = estate.source(kind="oauth2_refresh_token")
    with pytest.raises(ConnectionFault, match=r"400, invalid_grant") as told:
        source.read(None, call=call(CLIENT | {"refresh_token": "very-secret-refresh"}))
    source.close()
    assert "very-secret" not in str(told.value)


def test_names_in_the_token_address_come_from_the_secret_of_the_environment(estate: Estate) -> None:
    auth = {"kind": "oauth2_client_credentials", "token_url": "/{tenant}/token", "scope": "{base_url}/.default"}
    estate.read(CLIENT | {"tenant": "a/b"}, **auth)
    assert estate.server.seen[0].target == "/a%2Fb/token"
    assert estate.forms[0]["scope"] == f"{estate.server.url}/.default"
    source = estate.source(**auth)
    with pytest.raises(ConnectionFault, match="'tenant' is not set"):
        source.read(None, call=call(CLIENT))
    source.close()


def test_a_token_is_never_asked_for_at_a_host_that_is_not_approved(estate: Estate) -> None:
    source = estate.source(kind="oauth2_client_credentials", token_url="https://elsewhere.example/token")
    with pytest.raises(ConnectionFault, match="leaves the registered system"):
        source.read(None, call=call(CLIENT))
    source.close()
    assert not estate.server.seen


# -- signed requests ---------------------------------------------------------------------------------------------------


def test_the_base_string_and_signature_are_those_of_rfc_5849() -> None:
    """§3.4.1.1 and §3.1 (the signature of 1.2 with the secrets of §1.2, HMAC-SHA1)."""
    given = [
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ]
    text = signatures.base_string(
        "post", "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", given, form="c2&a3=2+q"
    )
    assert text == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D"
        "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )
    photo = [
        ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
        ("oauth_token", "nnch734d00sl2jdk"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131202"),
        ("oauth_nonce", "chapoH"),
    ]
    text = signatures.base_string("GET", "http://photos.example.net/photos?file=vacation.jpg&size=original", photo)
    assert (
        signatures.hmac_signature(text, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00", "sha1")
        == "MdpQcU8iPSUjWoN/UDMsK2sui9I="
    )


OAUTH1 = {"consumer_key": "ck", "consumer_secret": "c&s", "token": "tk", "token_secret": "t s", "account": "TST_SB1"}


def test_each_request_is_signed_by_oauth_1_over_what_it_really_asks_for() -> None:
    checked = []

    def says(seen: Any) -> Any:
        pairs = [one.partition("=") for one in seen.headers["authorization"].removeprefix("OAuth ").split(", ")]
        given = {name: parse_qs(f"x={value[1:-1]}", keep_blank_values=True)["x"][0] for name, _, value in pairs}
        signature, realm = given.pop("oauth_signature"), given.pop("realm")
        url = f"http://{seen.headers['host']}{seen.target}"
        text = signatures.base_string(seen.method, url, list(given.items()))
        good = hmac.compare_digest(signature, signatures.hmac_signature(text, "c&s", "t s"))
        checked.append((good, realm, given["oauth_nonce"]))
        return 200, {}, {"data": [{"id": 1}], "more": len(checked) < 3}

    with Server(says) as server:
        paging = {"strategy": "offset", "more": "more"}
        settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], "paging": paging}
        parameters = {"q": "a b+c&d=é", "f": ["1", "2"]}
        auth = {"kind": "oauth1", "realm": "{account}"}
        source = open_source("rest", {**settings, "parameters": parameters, "auth": auth})
        cursor = None
        for _ in range(2):
            cursor = source.read(cursor, call=call(OAUTH1)).cursor
        source.close()
    assert {(good, realm) for good, realm, _ in checked} == {(True, "TST_SB1")}
    assert len({nonce for *_, nonce in checked}) == len(checked)


def test_a_request_is_signed_by_an_hmac_of_a_vendors_own() -> None:
    def says(seen: Any) -> Any:
        text = f"POST\n/pay\nx=1\n{seen.headers['x-time']}\n".encode() + seen.body
        good = base64.b64encode(hmac.new(b"sec", text, "sha512").digest()).decode()
        right = seen.headers["x-sign"] == f"v1 {good}" and seen.headers["x-key"] == "k1"
        return (201 if right else 401), {}, {"id": 1}

    auth = {
        "kind": "signature",
        "name": "X-Sign",
        "prefix": "v1 ",
        "content": "{method}\n{path}\n{query}\n{timestamp}\n{body}",
        "hash": "sha512",
        "encoding": "base64",
        "timestamp_name": "X-Time",
        "key_name": "X-Key",
    }
    with Server(says) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "/pay", "parameters": {"x": "1"}, "auth": auth})
        message = OutboundMessage("k", "tg-1", b'{"a":"{path}"}')
        results = sink.write([message], call=call({"key_id": "k1", "secret": "sec"}))
        sink.close()
    assert [one.status for one in results] == ["confirmed"]


def test_a_key_in_the_query_signs_in_and_is_shown_nowhere() -> None:
    def says(seen: Any) -> Any:
        return (
            (403, {}, {"message": seen.target}) if seen.query.get("page") == "2" else (200, {}, {"data": [{"id": 1}]})
        )

    with Server(says) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
        source = open_source(
            "rest", {**settings, "paging": {"strategy": "page"}, "auth": {"kind": "query", "name": "api_key"}}
        )
        page = source.read(None, call=call({"key": "very secret"}))
        with pytest.raises(ConnectionFault) as told:
            source.read(page.cursor, call=call({"key": "very secret"}))
        source.close()
    assert server.seen[0].query["api_key"] == "very secret"
    assert "very" not in str(told.value)
    assert "very" not in page.records[0].origin


def test_tls_shows_our_certificate_where_a_server_asks_for_it(tmp_path: Path) -> None:
    made = Certificates.make(tmp_path)
    context = made.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(made.authority)
    ours = {
        "client_certificate": (tmp_path / "right.pem").read_text(),
        "client_key": (tmp_path / "right.key").read_text(),
    }
    with Server(lambda seen: (200, {}, {"data": [{"id": 1}]})) as server:
        server.server.socket = context.wrap_socket(
            server.server.socket, server_side=True, do_handshake_on_connect=False
        )
        settings = {"path": "/rows", "items": "data", "key_fields": ["id"], "verify": made.authority.read_text()}
        settings["base_url"] = server.url.replace("http:", "https:")
        with_ours = open_source("rest", {**settings, "auth": {"client_certificate": True}})
        assert len(with_ours.read(None, call=call(ours)).records) == 1
        with_ours.close()
        without = open_source("rest", settings)
        with pytest.raises((ConnectionFault, Retriable)):
            without.read(None, call=call({}))
        without.close()
        broken = open_source("rest", {**settings, "auth": {"client_certificate": True}})
        with pytest.raises(ConnectionFault, match="client certificate") as told:
            broken.read(None, call=call(ours | {"client_key": "no key"}))
        broken.close()
    assert told.value.kind == "secret"


@pytest.mark.parametrize(
    ("auth", "pointer"),
    [
        ({"kind": "kerberos"}, "/auth/kind"),
        ({"kind": "oauth2_password"}, "/auth/token_url"),
        ({"kind": "oauth2_password", "token_url": "https://{tenant}.example.com/token"}, "/auth/token_url"),
        ({"kind": "oauth2_password", "token_url": "/token", "client_auth": "smile"}, "/auth/client_auth"),
        ({"kind": "signature", "content": "{cookie}"}, "/auth/content"),
        ({"kind": "header", "prefix": 7}, "/auth/prefix"),
        ({"client_certificate": True}, "/auth/client_certificate"),
    ],
)
def test_what_cannot_sign_in_is_refused_with_its_place(auth: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_source("rest", {"base_url": "http://127.0.0.1:1", "path": "p", "key_fields": ["id"], "auth": auth})
    assert refused.value.findings[0]["pointer"] == pointer


def test_a_connector_that_signs_no_requests_says_so() -> None:
    settings = {"base_url": "http://127.0.0.1:1", "service": "/s", "entity_set": "A", "key_fields": ["id"]}
    with pytest.raises(Invalid, match="no sign-in of the kind"):
        open_source("odata_v2", {**settings, "auth": {"kind": "oauth1"}})
