"""What the guard's rules look at, as plain values: what is set, and what database and Redis were seen to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings of one process. `stated` holds the names of environment variables that say anything."""

    debug: bool = False
    demo: bool = False
    secret_key: str = ""
    allowed_hosts: tuple[str, ...] = ()
    public_url: str = ""
    https: bool = False
    behind_proxy: bool = False
    proxies: bool = False
    mail: str = ""
    witness_file: str = ""
    state_dir: str = ""
    witness_elsewhere: bool = False
    statement_keys: bool = False
    database: Mapping[str, Any] = field(default_factory=dict)
    redis_url: str = ""
    broker_url: str = ""
    second_factor: frozenset[str] = frozenset()
    stated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GuardAnswers:
    """What was found by asking. None: nobody could ask yet, since it did not answer."""

    made_for_demo: bool | None = None
    demo_accounts: tuple[str, ...] | None = None
    role: tuple[str, ...] | None = None
    redis_open: bool | None = None

    @property
    def database(self) -> bool:
        """Whether the database was asked."""
        return self.made_for_demo is not None


def is_loopback(host: str) -> bool:
    """A name that no other machine can use."""
    return host in LOOPBACK or host.endswith(".localhost")


def is_demo(setup: Setup, seen: GuardAnswers) -> bool:
    """The demo: in a database that was made for it, and reached from this machine alone."""
    return setup.demo and seen.made_for_demo is not False and not reached_by_others(setup)


def reached_by_others(setup: Setup) -> bool:
    return not all(is_loopback(host) for host in setup.allowed_hosts)
