"""Calls that arrive while others are being stored are stored together: one commit, one flush, for all that waited.

Nobody waits for company: who finds a free place is served at once and alone. Under load, or when a disk stalls, the line grows while the
commit before is under way, and the next commit takes all of it. (Group commit as databases do it, one floor higher, where it saves the
statements as well as the flush.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

T = TypeVar("T")
AT_ONCE = 2  # groups under way for one key: while one waits for its flush, the next is being checked


@dataclass(slots=True, eq=False)
class Call(Generic[T]):
    """Something to be stored, of `size` items. Whoever serves it sets `result` or `error`."""

    content: T
    size: int
    result: object = None
    error: BaseException | None = None
    settled: bool = False
    turn: Event | None = None

    def answer(self, result: object) -> None:
        self.result, self.settled = result, True

    def fail(self, error: BaseException) -> None:
        self.error, self.settled = error, True

    def release(self) -> None:
        """Let its thread go on: with an answer, or to serve."""
        if self.turn is not None:
            self.turn.set()


@dataclass(slots=True)
class _Line(Generic[T]):
    serving: int = 0
    waiting: deque[Call[T]] = field(default_factory=deque)


class Gathering(Generic[T]):
    """`serve(key, calls)` settles every call; what it leaves unsettled by an exception fails with that exception."""

    def __init__(
        self, serve: Callable[[Hashable, list[Call[T]]], None], *, most: int = 2_000, at_once: int = AT_ONCE
    ) -> None:
        self.serve, self.most, self.at_once = serve, most, at_once
        self._lock = Lock()
        self._lines: dict[Hashable, _Line[T]] = {}

    def submit(self, key: Hashable, content: T, size: int) -> object:
        """Wait until served; answers the call's result or raises its error. Calls of one thread keep their order."""
        call = Call(content, size)
        with self._lock:
            line = self._lines.setdefault(key, _Line())
            if line.serving < self.at_once:
                line.serving += 1
            else:
                line.waiting.append(call)
                call.turn = Event()
        if call.turn is not None:
            call.turn.wait()
        if not call.settled:
            self._lead(key, line, call)
        if call.error is not None:
            raise call.error
        return call.result

    def _lead(self, key: Hashable, line: _Line[T], first: Call[T]) -> None:
        """Serve this call and who waits behind it, then hand the place to the next in line."""
        group = self._with_followers(line, first)
        try:
            self.serve(key, group)
        except BaseException as error:
            for call in group:
                if not call.settled:
                    call.fail(
                        error
                        if call is first or isinstance(error, Exception)
                        else RuntimeError("the thread that served this call was ended")
                    )
        with self._lock:
            following = line.waiting.popleft() if line.waiting else None
            if following is None:
                line.serving -= 1
                if not line.serving:
                    del self._lines[key]
        for call in group[1:]:
            call.release()
        if following is not None:
            following.release()

    def _with_followers(self, line: _Line[T], first: Call[T]) -> list[Call[T]]:
        group, size = [first], first.size
        with self._lock:
            while line.waiting and size + line.waiting[0].size <= self.most:
                group.append(line.waiting.popleft())
                size += group[-1].size
        return group
