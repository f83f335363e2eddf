"""Tills that hand in sales over HTTP at a given rate and keep a journal: what was sold, what was taken with 202, how
each call ended. A sale that was not taken is handed in again, after the pause that the answer names, until it is.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from bench.order_server import order

PATIENCE = 60.0  # seconds after the last sale in which all must be taken
PAUSE = 0.5  # between two calls for the same sale, where no pause is named
CONNECTIONS = 16


@dataclass(slots=True)
class Till:
    """One connection. A call is when it began, when it ended, and its status (0: no answer)."""

    connection: http.client.HTTPConnection
    path: str
    headers: dict[str, str]
    calls: list[tuple[float, float, int]] = field(default_factory=list)
    sold: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    """Milliseconds from the moment a batch was due until it was taken, so that waiting in line counts."""
    named: bool = False
    """Whether each call says its own id."""
    asked: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """By the id of the request: when its batch was due, when it was sent and when it was answered."""

    def sell(self, numbers: list[int], due: float, until: float) -> None:
        self.sold += numbers
        while True:
            name = f"sale-{numbers[0]}"
            status, pause = self._call(name, [order(number) for number in numbers])
            self.asked[name] = (due, *self.calls[-1][:2])
            if status == 202:
                self.taken += numbers
                self.took.append((time.monotonic() - due) * 1000)
                return
            if time.monotonic() + pause > until:
                return
            time.sleep(pause)

    def _call(self, name: str, items: list[dict[str, object]]) -> tuple[int, float]:
        began, status, pause = time.monotonic(), 0, PAUSE
        try:
            headers = self.headers | {"X-Request-Id": name} if self.named else self.headers
            self.connection.request("POST", self.path, json.dumps({"items": items}), headers)
            answer = self.connection.getresponse()
            body, status = answer.read(), answer.status
            pause = float(answer.headers.get("Retry-After") or PAUSE)
            if status not in (202, 503):
                print(f"answer {status}: {body[:500].decode(errors='replace')}", file=sys.stderr)
        except (OSError, http.client.HTTPException):
            self.connection.close()
        self.calls.append((began, time.monotonic(), status))
        return status, pause

    def failed(self, since: float = 0.0, before: float = float("inf")) -> int:
        return sum(since <= began < before and status != 202 for began, _, status in self.calls)


class Offer:
    """Sales of sixteen tills in a stretch of time, at random moments, `rate` messages a second in batches."""

    def __init__(self, port: int, path: str, headers: dict[str, str], *, rate: float, batch: int, first: int) -> None:
        self.tills = [
            Till(http.client.HTTPConnection("127.0.0.1", port, timeout=30), path, headers) for _ in range(CONNECTIONS)
        ]
        self.rate, self.batch, self._numbers = rate, batch, count(first, batch)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, seconds: float) -> Offer:
        began = time.monotonic()
        self._threads = [
            threading.Thread(target=self._work, args=(number, till, began, seconds))
            for number, till in enumerate(self.tills)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def wait(self) -> Offer:
        for thread in self._threads:
            thread.join()
        return self

    def _work(self, number: int, till: Till, began: float, seconds: float) -> None:
        for due in self._moments(number, began, began + seconds):
            time.sleep(max(0.0, due - time.monotonic()))
            with self._lock:
                start = next(self._numbers)
            till.sell(list(range(start, start + self.batch)), due, began + seconds + PATIENCE)
        till.connection.close()

    def _moments(self, number: int, began: float, ends: float) -> Iterator[float]:
        chance, due = random.Random(number), began
        while (due := due + chance.expovariate(self.rate / self.batch / len(self.tills))) < ends:
            yield due

    @property
    def took(self) -> list[float]:
        return [ms for till in self.tills for ms in till.took]

    @property
    def asked(self) -> dict[str, tuple[float, float, float]]:
        return {name: times for till in self.tills for name, times in till.asked.items()}

    @property
    def failed(self) -> int:
        """Calls that did not end with 202."""
        return sum(till.failed() for till in self.tills)

    @property
    def sold(self) -> set[int]:
        return {number for till in self.tills for number in till.sold}

    @property
    def taken(self) -> set[int]:
        return {number for till in self.tills for number in till.taken}
