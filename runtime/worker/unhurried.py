"""What takes long about a group of records is done between two tries to store it, while nobody waits for the lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from runtime.ledger.known_content import Compared, ManyDoubtful

MOST_TRIES = 4
AT_ONCE_BYTES = 4 * 1024 * 1024  # of payloads that are looked at under the locks
T = TypeVar("T")


class ManyToLookAt(Exception):
    """So much would be stored that it is looked at before: nothing was stored."""

    def __init__(self, payloads: list[bytes]) -> None:
        super().__init__(f"{len(payloads)} payloads")
        self.payloads = payloads


class Unhurried:
    """The work of one group. `beat` is called between the tries, `fit_to_store` with the payloads that are looked at:
    it raises what is wrong with them."""

    def __init__(self, beat: Callable[[], object], fit_to_store: Callable[[Sequence[bytes]], None]) -> None:
        self.beat, self.fit_to_store = beat, fit_to_store
        self.compared: Compared | None = {}
        self.looked_at: dict[int, bytes] = {}  # by identity: the payloads of a group are the same objects in every try

    def store(self, once: Callable[[], T]) -> T:
        """Try to store until nothing long is left; the last try does whatever there is. `once` passes `compared` and
        `inspect` to the append."""
        for _ in range(MOST_TRIES - 1):
            try:
                return once()
            except ManyDoubtful as found:
                self.compared = (self.compared or {}) | found.compare()
            except ManyToLookAt as found:
                self.fit_to_store(found.payloads)
                self.looked_at |= {id(one): one for one in found.payloads}
            self.beat()
        self.compared = None
        return once()

    def inspect(self, payloads: Sequence[bytes]) -> None:
        fresh = [one for one in payloads if id(one) not in self.looked_at]
        if self.compared is not None and sum(map(len, fresh)) > AT_ONCE_BYTES:
            raise ManyToLookAt(fresh)
        if fresh:
            self.fit_to_store(fresh)
