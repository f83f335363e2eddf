"""The identity provider as it describes itself, its keys, and tokens that bear its signature."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import jwt
from django.conf import settings

from governance.domain.id_tokens import ALGORITHMS, RefusedToken, TokenRules
from kernel import clock, egress
from kernel.errors import Unavailable

KEEP_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 10.0  # a token of an unknown key makes us read the keys anew, at most so often
MOST_BYTES = 64 * 1024  # of a token
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_known: dict[str, tuple[float, dict[str, Any]]] = {}
_keys: dict[str, tuple[float, list[dict[str, Any]]]] = {}


def discovered(issuer: str) -> dict[str, Any]:
    """The issuer's discovery document. Raises Unavailable `sign_in.provider` when it does not answer or names another
    issuer."""
    kept = _known.get(issuer)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    document = _document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer or not all(isinstance(document.get(name), str) for name in ENDPOINTS):
        raise Unavailable(
            "sign_in.provider", "The identity provider's discovery document does not fit the configured issuer."
        )
    _known[issuer] = (time.monotonic() + KEEP_SECONDS, document)
    return document


def _document(address: str) -> dict[str, Any]:
    try:
        answer = egress.ask("GET", address)
        answer.raise_for_status()
        document = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Unavailable(
            "sign_in.provider", "The identity provider does not answer. Sign in with a local account, or try again."
        ) from error
    return document if isinstance(document, dict) else {}


def rules() -> TokenRules:
    """What is expected of a token now."""
    ours: dict[str, Any] = settings.OIDC
    return TokenRules(
        issuer=ours["issuer"],
        client=ours["client_id"],
        now=clock.now().timestamp(),
        skew=float(ours.get("clock_skew", 60)),
        trusted_audiences=tuple(ours.get("trusted_audiences", ())),
    )


def algorithms() -> Sequence[str]:
    named: Sequence[str] = settings.OIDC.get("algorithms", ("RS256",))
    return [one for one in named if one in ALGORITHMS]


def verified(token: object) -> dict[str, Any]:
    """The claims of a token with a signature of the provider; nothing of them was looked at. Raises RefusedToken;
    Unavailable where the provider does not give its keys."""
    if not isinstance(token, str) or len(token) > MOST_BYTES:
        raise RefusedToken("malformed", "there is no token")
    try:
        header = jwt.get_unverified_header(token)
        algorithm, kid = str(header.get("alg")), header.get("kid")
        if algorithm not in algorithms():
            said = f"signed with {algorithm[:20]!r}; OIDC_ALGORITHMS accepts {', '.join(algorithms())}"
            raise RefusedToken("algorithm", said)
        key = jwt.PyJWK(_key(algorithm, kid), algorithm)
        claims = jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ALONE)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise RefusedToken("signature", f"{type(error).__name__}: {str(error)[:200]}") from error
    return dict(claims)


def read(token: str) -> dict[str, Any]:
    """The claims of a token that was verified before."""
    return dict(jwt.decode(token, options={"verify_signature": False})) if token else {}


_SIGNATURE_ALONE: Any = {
    "verify_signature": True,
    **{f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")},
}


def _key(algorithm: str, kid: object) -> dict[str, Any]:
    """The one key that the header means (RFC 7515 §4.1.4); read again where it is new."""
    issuer = str(settings.OIDC["issuer"])
    read_at, keys = _keys.get(issuer, (float("-inf"), []))
    for old_after in (KEEP_SECONDS, KEYS_AGAIN_SECONDS):
        if time.monotonic() - read_at > old_after:
            keys = _key_set(issuer)
            _keys[issuer] = (time.monotonic(), keys)
        fitting = [key for key in keys if _fits(key, algorithm, kid)]
        if len(fitting) == 1:
            return fitting[0]
    raise RefusedToken("signature", f"no single key of the provider has the name {str(kid)[:80]!r}")


def _key_set(issuer: str) -> list[dict[str, Any]]:
    found = _document(discovered(issuer)["jwks_uri"]).get("keys")
    return [key for key in found if isinstance(key, dict)] if isinstance(found, list) else []


def _fits(key: Mapping[str, Any], algorithm: str, kid: object) -> bool:
    kind = {"R": "RSA", "P": "RSA", "E": "EC"}[algorithm[0]] if algorithm != "EdDSA" else "OKP"
    return (
        key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    )
