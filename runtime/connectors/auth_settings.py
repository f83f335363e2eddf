"""How a connection signs in: a union by its kind. What is secret stands in the system's endpoint, never here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from runtime.connectors.settings import read_settings, wrong_setting
from runtime.domain.templates import names_in, problem_of

Ways = tuple[str, dict[str, tuple[str, ...]]]
Kind = Literal[
    "none",
    "basic",
    "header",
    "query",
    "bearer",
    "oauth2_client_credentials",
    "oauth2_refresh_token",
    "oauth2_password",
    "oauth2_jwt_bearer",
    "oauth1",
    "signature",
]
_TOKEN = ("token_url", "scope", "audience", "resource", "client_auth", "algorithm", "key_id", "assertion_audience")
_CLAIMS = ("assertion_scope",)


class AuthSettings(msgspec.Struct, frozen=True):
    """The secrets of each kind are named in brackets.

    none                       no sign-in, or the client certificate alone
    basic                      `Authorization: Basic` (user, password)
    header                     a key in the header `name`, behind `prefix` (key)
    query                      a key in the query parameter `name`, where a vendor takes it nowhere else (key)
    bearer                     `Authorization: Bearer` (token)
    oauth2_client_credentials  RFC 6749 §4.4 (client_id, client_secret; with `private_key_jwt` client_id, private_key)
    oauth2_refresh_token       RFC 6749 §6 (client_id, client_secret, refresh_token). A refresh token that comes in the
                               place of the one before is stored before anything is done with the access token
    oauth2_password            RFC 6749 §4.3, where a vendor still needs it (client_id, client_secret, user, password)
    oauth2_jwt_bearer          RFC 7523 §2.1 (client_id, user, private_key)
    oauth1                     RFC 5849, HMAC-SHA256 (consumer_key, consumer_secret, token, token_secret)
    signature                  an HMAC over the request (key_id, secret)

    name                the header of `header` and `signature`, the parameter of `query`
    prefix              what stands before the key in the header
    token_url           where tokens are given: a whole address of a host that the system or the vendor's profile names,
                        or a path of the system. `{tenant}` and the like, behind the host, come from the secret of the
                        environment (`{"client_id": …, "tenant": …}`)
    scope, audience, resource  are asked for with the token; may have such names, and `{base_url}`
    client_auth         how the client proves itself there: `post` (in the form), `basic` (RFC 6749 §2.3.1),
                        `private_key_jwt` (RFC 7523 §2.2), `none` (client_id alone)
    algorithm, key_id   of a JWT that is signed: PS256, ES256 or their like, and the `kid` in its header (else that of
                        the secret `key_id`, where there is one)
    assertion_audience  `aud` of that JWT, where it is not `token_url`
    assertion_scope     its claim `scope`, a list, where a vendor reads it there
    realm               of OAuth 1.0a
    content             what is signed: `{method}`, `{path}`, `{query}`, `{timestamp}`, `{nonce}`, `{key_id}`, `{body}`,
                        `{body_sha256}` (hex) and text; `\\n` is a new line
    hash, encoding      of the signature
    timestamp_name, nonce_name, key_name  headers that carry time (seconds since 1970), nonce and key_id
    client_certificate  TLS shows a certificate of ours (client_certificate, client_key, in PEM)
    secrets             other names of the secrets: `{"user": "erp_user"}`
    """

    VARIANTS: ClassVar[Ways] = (
        "kind",
        {
            "none": (),
            "basic": (),
            "header": ("name", "prefix"),
            "query": ("name",),
            "bearer": (),
            "oauth2_client_credentials": (*_TOKEN, *_CLAIMS),
            "oauth2_refresh_token": _TOKEN,
            "oauth2_password": _TOKEN,
            "oauth2_jwt_bearer": (*_TOKEN, *_CLAIMS),
            "oauth1": ("realm",),
            "signature": (
                *("name", "prefix", "content", "hash", "encoding"),
                *("timestamp_name", "nonce_name", "key_name"),
            ),
        },
    )

    kind: Kind = "none"
    name: str = "X-API-Key"
    prefix: str = ""
    token_url: str = ""
    scope: str = ""
    audience: str = ""
    resource: str = ""
    client_auth: Literal["post", "basic", "private_key_jwt", "none"] = "post"
    algorithm: Literal["PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512"] = "PS256"
    key_id: str = ""
    assertion_audience: str = ""
    assertion_scope: list[str] = msgspec.field(default_factory=list)
    realm: str = ""
    content: str = "{method}\n{path}\n{timestamp}\n{body_sha256}"
    hash: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_name: str = ""
    nonce_name: str = ""
    key_name: str = ""
    client_certificate: bool = False
    secrets: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def is_token(self) -> bool:
        """Whether calls carry a token that was asked for."""
        return self.kind.startswith("oauth2_")

    @property
    def signs(self) -> bool:
        """Whether each request is signed by what is in it."""
        return self.kind in ("oauth1", "signature", "query")


CONTENT = frozenset({"method", "path", "query", "timestamp", "nonce", "key_id", "body", "body_sha256"})


def auth_settings(given: Mapping[str, Any]) -> AuthSettings:
    """Raises Invalid, with pointers, for what cannot sign in. What is no setting says nothing: manifests of before
    could hold more."""
    known = {name: value for name, value in given.items() if name in AuthSettings.__struct_fields__}
    made: AuthSettings = read_settings(AuthSettings, known, code="connection.auth", at="/auth")
    if made.is_token and not made.token_url:
        raise wrong_setting("/auth/token_url", f"{made.kind} needs 'token_url'.", code="connection.auth")
    for name in ("token_url", "scope", "audience", "resource", "assertion_audience"):
        if problem := problem_of(getattr(made, name)):
            raise wrong_setting(f"/auth/{name}", problem, code="connection.auth")
    host = made.token_url.partition("://")[2].partition("/")[0]
    if "{" in host or "{" in made.token_url.partition("?")[2]:
        said = "names in braces stand in the path: the host that gives tokens is approved as it is"
        raise wrong_setting("/auth/token_url", said, code="connection.auth")
    if made.kind == "signature" and (odd := [one for one in names_in(made.content) if one not in CONTENT]):
        known_names = ", ".join(sorted(CONTENT))
        raise wrong_setting(
            "/auth/content", f"{odd[0]!r} is nothing that is signed: {known_names}", code="connection.auth"
        )
    return made


__all__ = ["CONTENT", "AuthSettings", "auth_settings"]
