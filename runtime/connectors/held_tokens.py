"""Tokens that were got with a system's credentials, shared by everything that calls it.

A token is renewed once however many callers find it old, and what a vendor gives in the place of a refresh token is
kept before the access token is used. Where that is, the secrets of a connection say (`Secrets.tokens`); without it, in
this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kernel import clock

EARLY = 60.0  # seconds before its end after which a token is renewed; of a short one half of its life


@dataclass(frozen=True, slots=True)
class HeldToken:
    """`renew_at`, `ends_at`: seconds since 1970. `refresh`: the refresh token that is valid now, where the vendor gave
    another one."""

    access: str
    renew_at: float
    ends_at: float
    refresh: str = ""

    @classmethod
    def of(cls, access: str, lifetime: float, refresh: str = "") -> HeldToken:
        now = clock.now().timestamp()
        return cls(access, now + max(lifetime - EARLY, lifetime / 2), now + lifetime, refresh)

    def is_fresh(self, refused: str = "") -> bool:
        return self.access != refused and self.renew_at > clock.now().timestamp()

    def serves(self, refused: str = "") -> bool:
        """Whether it may be used while somebody else renews it."""
        return self.access != refused and self.ends_at > clock.now().timestamp()

    def __repr__(self) -> str:
        return f"HeldToken(renew_at={self.renew_at:.0f}, access=***)"


Fetch = Callable[[HeldToken | None], HeldToken]


class TokenStore(Protocol):
    def held(self, name: str) -> HeldToken | None: ...

    def renewed(self, name: str, refused: str, fetch: Fetch) -> HeldToken:
        """The token that is there, where it is fresh and not the one that was refused, else what `fetch` gives, kept
        before it is returned. Raises what `fetch` raises, and Retriable where somebody else is at it for too long."""
        ...


class ProcessTokens:
    """In this process alone."""

    def __init__(self) -> None:
        self._tokens: dict[str, HeldToken] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def held(self, name: str) -> HeldToken | None:
        return self._tokens.get(name)

    def renewed(self, name: str, refused: str, fetch: Fetch) -> HeldToken:
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            before = self._tokens.get(name)
            if before and before.is_fresh(refused):
                return before
            made = fetch(before)
            self._tokens[name] = made
            return made


IN_PROCESS = ProcessTokens()

__all__ = ["EARLY", "IN_PROCESS", "HeldToken", "ProcessTokens", "TokenStore"]
