"""Signs of life of a web process, from its event loop: none where the loop stands still, and an end where the threads
do. A thread that never comes back cannot be ended alone, and its caller was answered long ago."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kernel import life_signs
from portal.front.places import ANSWER_SECONDS, ThreadPlaces

log = logging.getLogger(__name__)
HUNG_SECONDS = 120.0  # in which no thread of a kind of caller came back, and all were taken; longer than any answer
LATE_SECONDS = 5.0  # a look that comes later counts nothing: the process itself stood still
assert HUNG_SECONDS > ANSWER_SECONDS


@dataclass(slots=True)
class HungThreads:
    """`look` is called every second and answers the kind of caller whose threads all hang, else nothing."""

    monotonic: Callable[[], float] = time.monotonic
    seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    _last: float | None = None

    def look(self, places: Iterable[ThreadPlaces]) -> str:
        now = self.monotonic()
        passed = 0.0 if self._last is None else now - self._last
        self._last = now
        for place in places:
            ended, hung = self.seen.get(place.name, (place.ended, 0.0))
            still = place.busy >= place.count and ended == place.ended and passed <= LATE_SECONDS
            self.seen[place.name] = (place.ended, hung + passed if still else 0.0)
            if self.seen[place.name][1] >= HUNG_SECONDS:
                return place.name
        return ""


async def give_signs(places: Iterable[ThreadPlaces], end: Callable[[int], object] = os._exit) -> None:
    """Until the process ends."""
    hung = HungThreads()
    while True:
        if name := hung.look(places):
            log.critical("all threads for %s have hung for %.0f s; this process ends", name, HUNG_SECONDS)
            faulthandler.dump_traceback(sys.stderr)
            end(70)
        life_signs.give()
        await asyncio.sleep(life_signs.SECONDS)
