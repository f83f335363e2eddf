"""Which proxies are one's own: what they say about a client is believed, what a client says about itself is not."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_COUNT = re.compile(r"[0-9]")
_PORT = re.compile(r"\[([0-9a-fA-F:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


@dataclass(frozen=True, slots=True)
class Proxies:
    """So many, each of which adds the address it saw to the end of X-Forwarded-For; or those of some networks."""

    count: int = 0
    networks: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.count or self.networks)

    def believes(self, peer: str) -> bool:
        """Whether what this peer says in headers comes from a proxy of one's own."""
        return self._is_own(peer) if self.networks else bool(self.count)

    def client(self, peer: str, forwarded: str) -> str:
        """The nearest address that is no proxy of one's own. `forwarded`: the lines of X-Forwarded-For, by commas.

        It is read from the end: what stands before the addresses that own proxies added is the client's own word.
        """
        seen = [_address(one) for one in forwarded.split(",")] if forwarded else []
        if not self.networks:
            told = seen[-self.count] if self.count and len(seen) >= self.count else ""
            return told or peer
        nearest = peer
        for address in (*reversed(seen), ""):
            if not address or not self._is_own(nearest):
                break
            nearest = address
        return nearest

    def _is_own(self, address: str) -> bool:
        try:
            given = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped:
            given = given.ipv4_mapped
        return any(given in network for network in self.networks)


def proxies_of(environment: Mapping[str, str]) -> Proxies:
    """TRUSTED_PROXIES: how many, or networks such as `10.0.0.0/8, fd00::/8`. WEB_PROXIES is the older name of the
    number; BEHIND_PROXY alone means one."""
    for name in ("TRUSTED_PROXIES", "WEB_PROXIES"):
        given = environment.get(name, "").strip()
        if _COUNT.fullmatch(given):
            return Proxies(count=int(given))
        if given and name == "WEB_PROXIES":
            raise ImproperlyConfigured(f"WEB_PROXIES: {given[:40]!r} is not a number from 0 to 9.")
        if given:
            return Proxies(networks=tuple(_network(one.strip()) for one in given.split(",") if one.strip()))
    return Proxies(count=int(environment.get("BEHIND_PROXY", "").lower() in {"1", "true", "yes", "on"}))


def _network(given: str) -> Network:
    try:
        return ipaddress.ip_network(given)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"TRUSTED_PROXIES: {given[:60]!r} is neither a number from 0 to 9 nor a network like 10.0.0.0/8 ({error})."
        ) from None


def _address(given: str) -> str:
    """An address as text, without its port; empty for what is none."""
    text = given.strip()
    if found := _PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
