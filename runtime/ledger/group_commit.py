"""Group commit: calls that arrive while others are being stored share the next commit and flush.

A call that finds a free slot is served at once and alone; it never waits for others. Under load, or when the disk
stalls, calls queue while the previous commit is under way, and the next commit takes all of them. Databases group their
flushes the same way; here, one layer above, the statements are saved as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

T = TypeVar("T")
AT_ONCE = 2  # groups under way for one key: while one waits for its flush, the next is checked


@dataclass(slots=True, eq=False)
class PendingCall(Generic[T]):
    """A call with content to store, of `size` items. Serving it sets `result` or `error`, or moves it to another
    queue."""

    content: T
    size: int
    result: object = None
    error: BaseException | None = None
    settled: bool = False
    turn: Event | None = None
    moves: Hashable = None

    def answer(self, result: object) -> None:
        self.result, self.settled = result, True

    def fail(self, error: BaseException) -> None:
        self.error, self.settled = error, True

    def move(self, key: Hashable) -> None:
        """It is stored with the calls of another key: those that wait for the same as it does."""
        self.moves = key

    @property
    def done(self) -> bool:
        """Nothing is left to do for the one who serves it."""
        return self.settled or self.moves is not None

    def release(self) -> None:
        """Let its thread continue: with an answer, or to serve the next group."""
        if self.turn is not None:
            self.turn.set()


@dataclass(slots=True)
class _Queue(Generic[T]):
    serving: int = 0
    waiting: deque[PendingCall[T]] = field(default_factory=deque)


class FailedForAll(Exception):
    """What failed would fail for everybody who waits in this queue: they have waited already."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class GroupCommit(Generic[T]):
    """`serve(key, calls)` settles or moves every call; when it raises, the others fail with that exception, and for
    FailedForAll those that still wait, too."""

    def __init__(
        self, serve: Callable[[Hashable, list[PendingCall[T]]], None], *, most: int = 2_000, at_once: int = AT_ONCE
    ) -> None:
        self.serve, self.most, self.at_once = serve, most, at_once
        self._lock = Lock()
        self._queues: dict[Hashable, _Queue[T]] = {}
        self.moved = 0  # calls that were moved to another queue and are not settled yet

    def submit(self, key: Hashable, content: T, size: int) -> object:
        """Wait until served; returns the call's result or raises its error. Calls of one thread keep their order."""
        call = PendingCall(content, size)
        self._serve_in_turn(key, call, self.at_once)
        if not call.settled:
            self._follow(call)
        if call.error is not None:
            raise call.error
        return call.result

    def _follow(self, call: PendingCall[T]) -> None:
        """One group at a time waits for the same."""
        with self._lock:
            self.moved += 1
        try:
            while not call.settled:
                key, call.moves, call.turn = call.moves, None, None
                self._serve_in_turn(key, call, 1)
        finally:
            with self._lock:
                self.moved -= 1

    def _serve_in_turn(self, key: Hashable, call: PendingCall[T], at_once: int) -> None:
        with self._lock:
            queue = self._queues.setdefault(key, _Queue())
            if queue.serving < at_once:
                queue.serving += 1
            else:
                queue.waiting.append(call)
                call.turn = Event()
        if call.turn is not None:
            call.turn.wait()
        if not call.done:
            self._lead(key, queue, call)

    def _lead(self, key: Hashable, queue: _Queue[T], first: PendingCall[T]) -> None:
        """Serve this call and those queued behind it, then pass the slot to the next in the queue."""
        group = self._with_followers(queue, first)
        try:
            self.serve(key, group)
        except FailedForAll as error:
            with self._lock:
                group += queue.waiting
                queue.waiting.clear()
            for call in group:
                if not call.done:
                    call.fail(error.cause)
        except BaseException as error:
            for call in group:
                if not call.done:
                    mine = call is first or isinstance(error, Exception)
                    call.fail(error if mine else RuntimeError("the thread that served this call was stopped"))
        with self._lock:
            following = queue.waiting.popleft() if queue.waiting else None
            if following is None:
                queue.serving -= 1
                if not queue.serving:
                    del self._queues[key]
        for call in group[1:]:
            call.release()
        if following is not None:
            following.release()

    def _with_followers(self, queue: _Queue[T], first: PendingCall[T]) -> list[PendingCall[T]]:
        group, size = [first], first.size
        with self._lock:
            while queue.waiting and size + queue.waiting[0].size <= self.most:
                group.append(queue.waiting.popleft())
                size += group[-1].size
        return group
