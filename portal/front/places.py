"""Who gets a thread: each kind of caller has a number of its own, and of one kind no client takes all.

Used by one event loop, so nothing here is locked.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

from kernel import measures
from kernel.errors import Unavailable

T = TypeVar("T")
WAIT_SECONDS = 10.0  # in line, before the caller is told to come back
ANSWER_SECONDS = 75.0  # of work; the database's own limits end it before
IN_LINE = 512
BUSY = measures.gauge("web_threads_busy", "Threads of web processes at work, by kind of caller.", ["kind"])
IN_LINE_NOW = measures.gauge("web_waiting_requests", "Requests that wait for a thread, by kind of caller.", ["kind"])

THREADS = {"intake": 16, "gate": 6, "other": 10}


def threads_of(given: str) -> dict[str, int]:
    """WEB_THREADS: `intake=16 gate=6 other=10`; what is not named stays."""
    found = dict(THREADS)
    for part in given.replace(",", " ").split():
        stated = re.fullmatch(r"(\w+)=([1-9]\d?\d?)", part)
        if stated is None or stated[1] not in found:
            raise ImproperlyConfigured(f"WEB_THREADS: {part!r} is not intake=…, gate=… or other=… with 1 to 999.")
        found[stated[1]] = int(stated[2])
    return found


@dataclass(slots=True)
class ThreadPlaces:
    """`count` threads; of one client at most `each` at a time. First come, first served, but for clients that have
    theirs."""

    name: str
    count: int
    each: int
    in_line: int = IN_LINE
    busy: int = 0
    held: Counter[Hashable] = field(default_factory=Counter)
    line: deque[tuple[Hashable, asyncio.Future[None]]] = field(default_factory=deque)
    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(self.count, thread_name_prefix=self.name)

    async def run(self, client: Hashable, work: Callable[[], T], *, wait: float = WAIT_SECONDS) -> T:
        """Do the work in a thread. Raises Unavailable where there is none in time, or where the work takes too long:
        its thread then goes on, and keeps its place."""
        await self._take(client, wait)
        task = asyncio.get_running_loop().run_in_executor(self.threads, work)
        task.add_done_callback(lambda _: self._leave(client))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(task)
        except TimeoutError:
            raise Unavailable("request.slow", "This takes too long now. It may still be carried out.") from None

    async def _take(self, client: Hashable, wait: float) -> None:
        if self.busy < self.count and self.held[client] < self.each:
            self._enter(client)
            return
        if len(self.line) >= self.in_line:
            raise _busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line.append((client, turn))
        try:
            async with asyncio.timeout(wait):
                with IN_LINE_NOW.labels(self.name).track_inprogress():
                    await turn
        except TimeoutError:
            self._withdraw(client, turn)
            raise _busy() from None
        except BaseException:
            self._withdraw(client, turn)
            raise

    def _withdraw(self, client: Hashable, turn: asyncio.Future[None]) -> None:
        """Out of the line; a place that was given in the same moment is passed on."""
        if turn.done() and not turn.cancelled():
            self._leave(client)
        else:
            self.line = deque(one for one in self.line if one[1] is not turn)

    def _enter(self, client: Hashable) -> None:
        BUSY.labels(self.name).inc()
        self.busy += 1
        self.held[client] += 1

    def _leave(self, client: Hashable) -> None:
        BUSY.labels(self.name).dec()
        self.busy -= 1
        self.held[client] -= 1
        if not self.held[client]:
            del self.held[client]
        self._call_next()

    def _call_next(self) -> None:
        for number, (client, turn) in enumerate(self.line):
            if turn.cancelled() or turn.done():
                continue
            if self.held[client] < self.each:
                del self.line[number]
                self._enter(client)
                turn.set_result(None)
                return


def _busy() -> Unavailable:
    said = "Too much is under way now. Nothing was done; send it again."
    return Unavailable("request.busy", said, {"retry_after": 2})
