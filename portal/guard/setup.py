"""What the guard's rules look at, as plain values: what is set, and what database and Redis were seen to be."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings of one process. `stated` holds the names of environment variables that say anything; `databases` by
    such a name the parts of an address as libpq reads it. Paths are whole ones. `bound`: where the web server listens;
    what callers say in `Host` proves nothing of where they are."""

    debug: bool = False
    demo: bool = False
    secret_key: str = ""
    fallback_keys: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    bound: str = "127.0.0.1"
    public_url: str = ""
    https: bool = False
    behind_proxy: bool = False
    proxies: bool = False
    proxy_networks: tuple[str, ...] = ()
    mail: str = ""
    witness_file: str = ""
    state_dir: str = ""
    witness_elsewhere: bool = False
    statement_keys: bool = False
    databases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    redis_url: str = ""
    broker_url: str = ""
    second_factor: frozenset[str] = frozenset()
    stated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GuardAnswers:
    """What was found by asking. None: nobody could ask yet, since it did not answer. `roles`: by the setting that names
    its address, what is too strong about each; `open_redis`: the settings whose server asks for no password."""

    made_for_demo: bool | None = None
    demo_accounts: tuple[str, ...] | None = None
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_redis: tuple[str, ...] = ()

    @property
    def database(self) -> bool:
        """Whether the database was asked."""
        return self.made_for_demo is not None


def is_loopback(host: str) -> bool:
    """A name that no other machine can use, in whatever spelling: `LOCALHOST.`, `127.1`, `::ffff:127.0.0.1`."""
    name = host.lower().strip("[]").rstrip(".")
    address = _address(name)
    return name in LOOPBACK or name.endswith(".localhost") or bool(address and address.is_loopback)


def is_this_machine(host: str) -> bool:
    """A name that leads each reader to their own machine: also the address that stands for all of its own."""
    address = _address(host.strip("[]").rstrip("."))
    return is_loopback(host) or bool(address and address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a name is, also in the spellings that browsers take: 2130706433, 0x7f.1, 127.1."""
    try:
        found = ipaddress.ip_address(name)
        return getattr(found, "ipv4_mapped", None) or found
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


def is_demo(setup: Setup, seen: GuardAnswers) -> bool:
    """The demo: in a database that was made for it, and reached from this machine alone."""
    return setup.demo and seen.made_for_demo is not False and not reached_by_others(setup)


def reached_by_others(setup: Setup) -> bool:
    return not all(is_loopback(host) for host in (*setup.allowed_hosts, setup.bound))
