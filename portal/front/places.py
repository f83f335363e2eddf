"""Who gets a thread: each kind of caller has a number of its own, and of one kind no client takes all.

Used by one event loop, so nothing here is locked.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
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
OF_ONE = 64  # of one client in line; intake's share a token
BUSY = measures.gauge("web_threads_busy", "Threads of web processes at work, by kind of caller.", ["kind"])
IN_LINE_NOW = measures.gauge("web_waiting_requests", "Requests that wait for a thread, by kind of caller.", ["kind"])

THREADS = {"intake": 16, "gate": 6, "other": 10, "sign_in": 2}  # a password costs half a second of processor


def threads_of(given: str) -> dict[str, int]:
    """WEB_THREADS: `intake=16 gate=6 other=10`; what is not named stays."""
    found = dict(THREADS)
    for part in given.replace(",", " ").split():
        stated = re.fullmatch(r"(\w+)=([1-9]\d?\d?)", part)
        if stated is None or stated[1] not in found:
            raise ImproperlyConfigured(
                f"WEB_THREADS: {part!r} is not intake=…, gate=…, other=… or sign_in=… with 1 to 999."
            )
        found[stated[1]] = int(stated[2])
    return found


@dataclass(slots=True)
class ThreadPlaces:
    """`count` threads; of one client at most `each` at a time, and beside its first one no more than `most_bytes` of
    bodies, and `of_one` in line. `spare` more are for clients that have none. Who has least goes first; of those who
    came first."""

    name: str
    count: int
    each: int
    in_line: int = IN_LINE
    of_one: int = IN_LINE
    spare: int = 0
    most_bytes: int = 0
    busy: int = 0
    ended: int = 0
    """Calls that have left their thread."""
    held: Counter[Hashable] = field(default_factory=Counter)
    at_work: Counter[Hashable] = field(default_factory=Counter)
    """Bytes of bodies."""
    line: deque[tuple[Hashable, int, asyncio.Future[None]]] = field(default_factory=deque)
    waiting: Counter[Hashable] = field(default_factory=Counter)
    threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(self.count + self.spare, thread_name_prefix=self.name)

    async def run(
        self,
        client: Hashable,
        work: Callable[[], T],
        *,
        size: int = 0,
        wait: float = WAIT_SECONDS,
        gone: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Do the work in a thread. `gone` returns when nobody waits for the answer any more: who is in line then leaves
        it. Raises ClientGone then; Unavailable where there is no thread in time, or where the work takes too long: its
        thread then goes on, and keeps its place."""
        await self._take(client, size, wait, gone)
        task = asyncio.get_running_loop().run_in_executor(self.threads, work)
        task.add_done_callback(lambda _: self._leave(client, size))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(task)
        except TimeoutError:
            raise Unavailable("request.slow", "This takes too long now. It may still be carried out.") from None

    async def _take(self, client: Hashable, size: int, wait: float, gone: Callable[[], Awaitable[None]] | None) -> None:
        if self._may_enter(client, size):
            self._enter(client, size)
            return
        if len(self.line) >= self.in_line or self.waiting[client] >= self.of_one:
            raise _busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line.append((client, size, turn))
        self.waiting[client] += 1
        leaves = asyncio.ensure_future(_told(gone, turn)) if gone is not None else None
        try:
            async with asyncio.timeout(wait):
                with IN_LINE_NOW.labels(self.name).track_inprogress():
                    await turn
        except TimeoutError:
            self._withdraw(client, size, turn)
            raise _busy() from None
        except BaseException:
            self._withdraw(client, size, turn)
            raise
        finally:
            self.waiting -= Counter({client: 1})
            if leaves is not None:
                leaves.cancel()

    def _withdraw(self, client: Hashable, size: int, turn: asyncio.Future[None]) -> None:
        """Out of the line; a place that was given in the same moment is passed on."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._leave(client, size)
        else:
            self.line = deque(one for one in self.line if one[2] is not turn)

    def _may_enter(self, client: Hashable, size: int) -> bool:
        held = self.held.get(client, 0)
        if not held:
            return self.busy < self.count + self.spare
        if self.busy >= self.count or held >= self.each:
            return False
        return not self.most_bytes or self.at_work[client] + size <= self.most_bytes

    def _enter(self, client: Hashable, size: int) -> None:
        BUSY.labels(self.name).inc()
        self.busy += 1
        self.held[client] += 1
        self.at_work[client] += size

    def _leave(self, client: Hashable, size: int) -> None:
        BUSY.labels(self.name).dec()
        self.busy -= 1
        self.ended += 1
        self.held[client] -= 1
        self.at_work[client] -= size
        if not self.held[client]:
            del self.held[client], self.at_work[client]
        self._call_next()

    def _call_next(self) -> None:
        while self.line and (chosen := self._next()) is not None:
            client, size, turn = chosen
            self.line.remove(chosen)
            self._enter(client, size)
            turn.set_result(None)

    def _next(self) -> tuple[Hashable, int, asyncio.Future[None]] | None:
        found, least = None, 0
        for one in self.line:
            held = self.held.get(one[0], 0)
            if (found is None or held < least) and not one[2].done() and self._may_enter(one[0], one[1]):
                found, least = one, held
        return found


class ClientGone(Exception):
    """Nobody waits for the answer any more; nothing was done."""


async def _told(gone: Callable[[], Awaitable[None]], turn: asyncio.Future[None]) -> None:
    await gone()
    if not turn.done():
        turn.set_exception(ClientGone())


def _busy() -> Unavailable:
    said = "Too much is under way now. Nothing was done; send it again."
    return Unavailable("request.busy", said, {"retry_after": 2})
