"""Authorities: scheme, host and port of an address. What is allowed for one of them is allowed for no other.

A host stands here as a resolver sees it: small letters, no dot at its end, international names in their ASCII form, and
an address of the Internet Protocol in its one canonical spelling. Other spellings of addresses (`2130706433`, `0x7f.1`,
`017700000001`, `127.1`) are refused: libraries disagree about what they mean.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

DEFAULT_PORTS = {"http": 80, "https": 443}
OTHER_PORTS = {
    "sftp": 22,
    "postgresql": 5432,
    "mariadb": 3306,
    "mysql": 3306,
    "amqp": 5672,
    "amqps": 5671,
    "kafka": 9092,
    "kafkas": 9093,
}
"""Addresses of systems that no HTTP is spoken to."""
PLAIN = frozenset({"http", "amqp", "kafka"})  # nothing is encrypted
WITHOUT_TLS = "tls=none"  # behind the `?` of the address of a database
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")  # as the last part of a name: an address, written somehow


class NoAuthority(ValueError):
    """The text names no authority; says why, for a person."""


@dataclass(frozen=True, slots=True)
class Authority:
    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """`https://host`, with its port where it is not that of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = (DEFAULT_PORTS | OTHER_PORTS)[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual == self.port else f":{self.port}")


def of_url(url: str) -> Authority:
    """The authority of an http or https address, as the client reads it that calls. Raises NoAuthority."""
    return _of(url, DEFAULT_PORTS)


def of_address(url: str) -> Authority:
    """The authority of any address that a system may have. Raises NoAuthority."""
    return _of(url, DEFAULT_PORTS | OTHER_PORTS)


def is_plain(url: str) -> bool:
    """Whether nothing is encrypted on the way to a system. Raises NoAuthority."""
    return of_address(url).scheme in PLAIN or url.partition("?")[2] == WITHOUT_TLS


def _of(url: str, ports: Mapping[str, int]) -> Authority:
    if any(sign in url for sign in "\\\t\r\n ") or not url.isprintable():
        raise NoAuthority("it holds a blank, a backslash or a control character")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise NoAuthority(f"it cannot be read ({error})") from None
    if parts.scheme not in ports:
        others = "" if ports is DEFAULT_PORTS else f", nor with {', '.join(f'{one}://' for one in OTHER_PORTS)}"
        raise NoAuthority(f"it begins with neither https:// nor http://{others}")
    if parts.userinfo:
        raise NoAuthority("it holds a user or password")
    host = canonical_host(parts.raw_host.decode("ascii"))
    port = ports[parts.scheme] if parts.port is None else parts.port
    if not 0 < port < 65_536:
        raise NoAuthority(f"there is no port {port}")
    return Authority(parts.scheme, host, port)


def of_further_host(text: str) -> Authority:
    """`host`, `host:port` (both https) or `https://host:port`, as a registration names a host; also with another
    protocol's scheme. Raises NoAuthority."""
    given = text.strip()
    parts = given if "://" in given else f"https://{given}"
    found = of_address(parts)
    if httpx.URL(parts).path not in ("", "/") or "?" in parts or "#" in parts:
        raise NoAuthority("it has a path, and a host alone is named here")
    return found


def canonical_host(host: str) -> str:
    """The host in the one spelling that is compared and connected to. Raises NoAuthority."""
    name = host.strip("[]").lower().rstrip(".")
    if not name:
        raise NoAuthority("it names no host")
    if ":" in name:
        try:
            if "%" not in name:  # an interface of one machine
                return str(ipaddress.IPv6Address(name))
            raise ValueError
        except ValueError:
            raise NoAuthority(f"{host!r} is no address of IPv6") from None
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        pass
    if _NUMBER.match(name.rpartition(".")[2]):
        raise NoAuthority(
            f"{host!r} is an address in a spelling that is read differently everywhere; write it as 10.0.0.1"
        )
    if len(name) > 253 or not _NAME.match(name):
        raise NoAuthority(f"{host!r} is no name of a host")
    return name
