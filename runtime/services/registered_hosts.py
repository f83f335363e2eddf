"""Hosts to which a system's credentials may go: those of its registration, and those of its vendor that give tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catalog.domain.facts import EndpointFacts
from kernel import authorities
from kernel.authorities import Authority
from runtime import profiles


def of_endpoint(endpoint: EndpointFacts) -> set[Authority]:
    """Empty where the address is none that is called."""
    return of_all([endpoint.base_url, *endpoint.further_hosts])


def of_all(addresses: Iterable[str]) -> set[Authority]:
    found = set()
    for address in addresses:
        try:
            found.add(authorities.of_address(address))
        except authorities.NoAuthority:
            continue
    return found


def of_profile(profile: str | None, token_url: str) -> set[Authority]:
    """The host of this address, where it is one of the vendor's that give tokens."""
    if profile is None or not token_url or not profiles.profile(profile).gives_tokens(token_url):
        return set()
    return {authorities.of_url(token_url)}


def token_url(settings: Mapping[str, Any]) -> str:
    auth = settings.get("auth")
    return str(auth.get("token_url") or "") if isinstance(auth, Mapping) else ""


def is_one(host: str, known: set[Authority]) -> bool:
    """Whether a host as manifests of before named it (`host`, `host:port`, of any scheme) is one of these."""
    try:
        asked = authorities.of_further_host(host)
    except authorities.NoAuthority:
        return False
    plain = "://" not in host
    return any(one == asked or (plain and (one.host, one.port) == (asked.host, asked.port)) for one in known)
