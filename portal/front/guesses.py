"""Tokens that nobody has, by the address that sends them. Nobody finds one by guessing; but each costs a thread and a
query, and a token that is good somewhere else should not be tried here unseen."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import ceil

from kernel.errors import DomainError

FREE = 60  # of one address
PER_SECOND = 1.0
MOST = 20_000  # addresses that are remembered, the last ones


class TooManyTokens(DomainError):
    """This address sends one token after the other that nobody has."""

    status = 429
    title = "Too many tokens that nobody has"


@dataclass(slots=True)
class KnownAddresses:
    """Addresses of webhooks that have taken one in this process, the last ones. Used by one event loop."""

    paths: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __contains__(self, path: str) -> bool:
        return path in self.paths

    def learn(self, path: str) -> None:
        self.paths[path] = None
        self.paths.move_to_end(path)
        if len(self.paths) > MOST:
            self.paths.popitem(last=False)


@dataclass(slots=True)
class TokenGuesses:
    """Used by one event loop. Tokens that were good before in this process are never counted or held up."""

    addresses: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def judge(self, address: str, now: float) -> None:
        """Before a token is looked at that this process does not know. Raises TooManyTokens."""
        over = self._failures(address, now) - (FREE - 1)
        if over <= 0:
            return
        wait = ceil(over / PER_SECOND)
        said = (
            f"Too many unknown tokens, or webhooks to unknown places, from this address ({address}). Wait {wait} s, "
            "and look where they come from."
        )
        raise TooManyTokens("request.too_many_tokens", said, {"retry_after": wait})

    def failed(self, address: str, now: float) -> None:
        self.addresses[address] = (self._failures(address, now) + 1, now)
        self.addresses.move_to_end(address)
        if len(self.addresses) > MOST:
            self.addresses.popitem(last=False)

    def _failures(self, address: str, now: float) -> float:
        failures, at = self.addresses.get(address, (0.0, now))
        return max(0.0, failures - (now - at) * PER_SECOND)
