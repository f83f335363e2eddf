"""What must stand in a token of an identity provider before it is believed: OpenID Connect Core 1.0 §2 and §3.1.3.7,
Back-Channel Logout 1.0 §2.6. The signature was checked before."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those that need a key which only the provider has. None without a signature, none with the client's secret."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
OLDEST_SECONDS = 600  # since a token was issued that was fetched just now; some providers date five minutes back


class RefusedToken(Exception):
    """A token that is not believed. `code` is one of `REASONS`; the text is for the log."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code = code


REASONS = {
    "provider": "it did not answer, or not as it should",
    "signature": "its signature is not one of the provider's",
    "algorithm": "it is signed in a way that is not accepted here",
    "issuer": "it was issued by somebody else",
    "audience": "it was issued for somebody else",
    "nonce": "it does not belong to this sign-in",
    "expired": "it is expired; the clocks of the two servers may differ",
    "not_yet": "it is not valid yet; the clocks of the two servers may differ",
    "malformed": "something that it must say is missing",
    "subject": "it is about somebody else, or about nobody",
    "state": "this sign-in was begun in another window, or long ago",
    "claims": "something that it says of you cannot be stored: a name, an address of mail or a group. The log of this "
    "server says which",
}
"""What the page says of why the provider's word was not believed."""


LONGEST_SUBJECT, LONGEST_SESSION, LONGEST_MAIL = 140, 255, 254  # characters
_NAMES = ("name", "given_name", "family_name")


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What is expected here and now."""

    issuer: str
    client: str
    now: float
    skew: float = 60.0
    trusted_audiences: Collection[str] = ()


def judge_id_token(claims: Mapping[str, Any], rules: TokenRules, *, nonce: str | None) -> None:
    """Raises RefusedToken."""
    _judge_common(claims, rules)
    if not _is_kept(claims.get("sub"), LONGEST_SUBJECT):
        raise RefusedToken("subject", f"the token has no sub of 1 to {LONGEST_SUBJECT} printable characters")
    if claims.get("sid") not in (None, "") and not _is_kept(claims["sid"], LONGEST_SESSION):
        raise RefusedToken("malformed", f"sid is no text of at most {LONGEST_SESSION} printable characters")
    if not nonce or claims.get("nonce") != nonce:
        raise RefusedToken("nonce", "the nonce is not that of this sign-in")


def judge_person(claims: Mapping[str, Any], *, groups_claim: str) -> None:
    """What is stored of a person is text that can be stored, and an address of mail one address. Raises RefusedToken
    `claims`. Longer names are cut, and what is no list of groups names none."""
    for name in _NAMES:
        if claims.get(name) not in (None, "") and not _is_kept(claims[name], None):
            raise RefusedToken("claims", f"{name} is no text of printable characters")
    mail = claims.get("email")
    if mail not in (None, "") and not _is_address(mail):
        raise RefusedToken("claims", f"email is no address of at most {LONGEST_MAIL} characters")
    groups = claims.get(groups_claim)
    for group in groups if isinstance(groups, list | tuple) else [groups]:
        if isinstance(group, str) and not _is_storable(group):
            raise RefusedToken("claims", f"{groups_claim} names a group with a NUL or half a surrogate pair")


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_kept(given: object, longest: int | None) -> bool:
    """Whether it is text of printable characters, no line break among them."""
    if not isinstance(given, str) or not given or (longest is not None and len(given) > longest):
        return False
    return _is_storable(given) and not any(unicodedata.category(character) in _UNPRINTED for character in given)


_UNPRINTED = ("Cc", "Zl", "Zp")


def _is_address(given: object) -> bool:
    if not _is_kept(given, LONGEST_MAIL):
        return False
    local, at, host = str(given).rpartition("@")
    return bool(local and at and host) and not any(one.isspace() or one in "<>,;" for one in str(given))


def second_factor_asked_there(claims: Mapping[str, Any], *, amr: Collection[str], acr: Collection[str]) -> bool:
    """Whether a token that is believed says that the provider asked for more than a password: one of these ways (`amr`,
    RFC 8176) or classes (`acr`, OpenID Connect Core 1.0 §2)."""
    ways = claims.get("amr")
    named = {way for way in ways if isinstance(way, str)} if isinstance(ways, list) else set()
    return bool(named & set(amr)) or (isinstance(claims.get("acr"), str) and claims["acr"] in acr)


def judge_logout_token(claims: Mapping[str, Any], rules: TokenRules) -> None:
    """Raises RefusedToken."""
    _judge_common(claims, rules)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise RefusedToken("malformed", f"events has no object {LOGOUT_EVENT}")
    if "nonce" in claims:
        raise RefusedToken("malformed", "a logout token has no nonce: this is another kind of token")
    for name in ("sub", "sid"):
        if name in claims and not _is_kept(claims[name], LONGEST_SESSION):
            raise RefusedToken("malformed", f"{name} is no text of at most {LONGEST_SESSION} printable characters")
    if "sub" not in claims and "sid" not in claims:
        raise RefusedToken("malformed", "there is neither sub nor sid")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise RefusedToken("malformed", "there is no jti")


def _judge_common(claims: Mapping[str, Any], rules: TokenRules) -> None:
    if claims.get("iss") != rules.issuer:
        raise RefusedToken("issuer", f"the issuer is {str(claims.get('iss'))[:200]!r}")
    _judge_audience(claims, rules)
    expires, issued = _moment(claims, "exp", needed=True), _moment(claims, "iat", needed=True)
    if expires <= rules.now - rules.skew:
        raise RefusedToken("expired", f"exp is {rules.now - expires:.0f} s ago")
    if issued > rules.now + rules.skew:
        raise RefusedToken("not_yet", f"iat is {issued - rules.now:.0f} s ahead")
    if issued < rules.now - rules.skew - OLDEST_SECONDS:
        raise RefusedToken("expired", f"iat is {rules.now - issued:.0f} s ago")
    if _moment(claims, "nbf", needed=False) > rules.now + rules.skew:
        raise RefusedToken("not_yet", f"nbf is {claims['nbf'] - rules.now:.0f} s ahead")


def _judge_audience(claims: Mapping[str, Any], rules: TokenRules) -> None:
    """The client and nobody who is not trusted; where it is not alone, or `azp` is there, the client asked for it."""
    named = claims.get("aud")
    audience = named if isinstance(named, list) else [named]
    if rules.client not in audience:
        raise RefusedToken("audience", f"aud is {str(named)[:200]!r}")
    others = [one for one in audience if one != rules.client and one not in rules.trusted_audiences]
    if others:
        raise RefusedToken("audience", f"aud names {str(others)[:200]} as well, which OIDC_TRUSTED_AUDIENCES does not")
    if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != rules.client:
        raise RefusedToken("audience", f"azp is {str(claims.get('azp'))[:200]!r}")


def _moment(claims: Mapping[str, Any], name: str, *, needed: bool) -> float:
    given = claims.get(name)
    if given is None and not needed:
        return 0.0
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < 1e12:
        raise RefusedToken("malformed", f"{name} is missing or no time")
    return float(given)


def is_verified(claims: Mapping[str, Any]) -> bool:
    """Whether the provider says that the address of mail is the person's. Silence is no yes."""
    return claims.get("email_verified") in (True, "true")
