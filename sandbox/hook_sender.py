"""A vendor that sends webhooks: signed as it signs them, sent again until they are taken, doubled, out of order, and
with old payloads behind newer ones. What it sent and what it heard stands in a journal of its own, line by line."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.hook_signing import VENDORS, Event

PAUSES = (0.1, 0.2, 0.4, 0.8, 1.0)  # seconds between two tries; the last one for all that follow
NO_ANSWER = 0


@dataclass
class HookSender:
    """`address` is where the vendor was told to send to, `reach` where that is reached now (it may move). `doubled`,
    `late`: shares of events that are sent twice though they were taken, and that are held back until others are out."""

    vendor: str
    address: str
    secret: str
    journal: Path
    seed: int = 1
    doubled: float = 0.1
    late: float = 0.2
    seconds: float = 5.0
    reach: str = ""
    tries: int = 400
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send_all(self, events: Sequence[Event], *, threads: int = 8) -> None:
        """Until each event is taken, or its tries are over. Raises AssertionError in the second case."""
        waiting = self._order(events)
        failed: list[str] = []

        def work() -> None:
            while True:
                with self._lock:
                    event = next(waiting, None)
                if event is None:
                    return
                if not self.send(event):
                    failed.append(event.id)

        workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
        assert not failed, f"never taken: {failed[:5]}"

    def send(self, event: Event) -> bool:
        """As often as it takes. The payload is the one that was built first, however late it is sent."""
        for number in range(self.tries):
            status = self.once(event)
            if 200 <= status < 300:
                return True
            time.sleep(PAUSES[min(number, len(PAUSES) - 1)])
        return False

    def once(self, event: Event) -> int:
        """The status of one call, and a line in the journal; 0 where nobody knows."""
        body, headers = VENDORS[self.vendor](event, self.secret, self.address, time.time())
        try:
            status = self._call(body, headers)
        except (OSError, http.client.HTTPException):
            status = NO_ANSWER
        line = json.dumps({"id": event.id, "number": event.number, "status": status, "payload": event.payload})
        with self._lock, self.journal.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return status

    def _call(self, body: bytes, headers: dict[str, str]) -> int:
        place = urlsplit(self.reach or self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self.seconds)
        try:
            connection.request(
                "POST", urlsplit(self.address).path, body, {"Content-Type": "application/json", **headers}
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def _order(self, events: Sequence[Event]) -> Iterator[Event]:
        """Nearly in order: some come later, some twice."""
        dice = random.Random(self.seed)
        places = [
            (number + (dice.uniform(5, 60) if dice.random() < self.late else 0), event)
            for number, event in enumerate(events)
        ]
        twice = [
            (place + dice.uniform(1, 40), replace(event)) for place, event in places if dice.random() < self.doubled
        ]
        return iter([event for _, event in sorted(places + twice, key=lambda one: one[0])])


def taken(journal: Path) -> set[str]:
    """Ids of the events that were answered with success at least once."""
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return {line["id"] for line in lines if 200 <= line["status"] < 300}
