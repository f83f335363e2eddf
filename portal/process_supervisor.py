"""Runs a number of forked worker loops and at once replaces one that ends, without loading anything again.

The parent only waits. It holds no thread and no connection, so its forks are complete, and a fork takes milliseconds;
a new interpreter would take a second of processor time, for which the messages of the other loops would wait.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from kernel import life_signs
from kernel.processes import how_it_ended, kill_with_parent
from kernel.retry import RetryPolicy
from portal.stillness import Attendant

log = logging.getLogger(__name__)
AT_ONCE = 1.0  # seconds: a loop that lived shorter than this has done no work
RESTART = RetryPolicy(base=0.25, ceiling=30.0)  # the first restart is immediate, the count begins with the second
GRACE_SECONDS = 60.0  # for a drain; the longest call ends within a lease


def pause_after(short_lives: int) -> float:
    """Seconds until the next start after `short_lives` starts that each ended within a second: 0, 0, 0.25 … 30."""
    return 0.0 if short_lives < 2 else RESTART.pause(short_lives - 2)


@dataclass(slots=True)
class Loop:
    """One of the loops. `pid` is 0 while none runs; `due`, in monotonic seconds, says when the next one is started."""

    number: int
    pid: int = 0
    began: float = 0.0
    due: float = 0.0
    short_lives: int = 0


@dataclass(slots=True)
class ProcessSupervisor:
    """Starts `count` children that run `body(number)`, and keeps that number running.

    `body` finishes its work at SIGTERM and returns the exit code of its process. `roles` says what each child does,
    where it gives signs of life: one that stands still is then ended and replaced, too (`portal.stillness`).
    """

    body: Callable[[int], int]
    count: int = 1
    grace: float = GRACE_SECONDS
    roles: Callable[[int], str] | None = None
    attendant: Attendant | None = None
    loops: list[Loop] = field(default_factory=list)
    _stopping: bool = False
    _impatient: bool = False
    _signals: tuple[int, int] = (-1, -1)

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT and then drains the loops; a second signal, or `grace` seconds, kills the rest.

        Returns the exit code: 0 when every loop has drained, 1 when one was killed or failed while it drained.
        """
        self.loops = [Loop(number) for number in range(self.count)]
        if self.roles is not None and self.attendant is None:
            self.attendant = Attendant(life_signs.folder(make=True), log.error)
        self._signals = os.pipe()
        for end in self._signals:
            os.set_blocking(end, False)
        before = {
            number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        }
        woken = signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        gc.freeze()  # a child that looked for garbage would copy every page of ours
        try:
            while not self._stopping:
                self._start_due()
                self._attend()
                self._wait(min((loop.due for loop in self.loops if not loop.pid), default=None))
                self._replace_ended()
            return self._drain()
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in self._signals:
                os.close(end)

    def _hear(self, number: int, frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping, self._impatient = True, self._stopping

    def _attend(self) -> None:
        if self.attendant is not None and self.roles is not None:
            self.attendant.attend({loop.pid: self.roles(loop.number) for loop in self.loops if loop.pid})

    def _wait(self, until: float | None) -> None:
        """Until a signal comes, a child ends, the moment `until` (monotonic seconds), or the next look at them."""
        if self.attendant is not None:
            look = self.attendant.stillness.due()
            until = look if until is None else min(until, look)
        select.select([self._signals[0]], [], [], None if until is None else max(0.0, until - time.monotonic()))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._signals[0], 512):
                pass

    def _start_due(self) -> None:
        for loop in self.loops:
            if not loop.pid and loop.due <= time.monotonic() and not self._stopping:
                loop.began = time.monotonic()
                loop.pid = self._fork(loop.number)

    def _replace_ended(self) -> None:
        for loop in self.loops:
            pid, status = loop.pid, _ended(loop.pid)
            if status is None:
                continue
            lived = time.monotonic() - loop.began
            loop.pid = 0
            loop.short_lives = loop.short_lives + 1 if lived < AT_ONCE else 0
            pause = pause_after(loop.short_lives)
            loop.due = time.monotonic() + pause
            if not self._stopping:
                then, how = f"replaced in {pause:g} s" if pause else "replaced", how_it_ended(status)
                log.warning("loop %s (process %s) %s after %.1f s; %s", loop.number + 1, pid, how, lived, then)
                if self.attendant is not None and self.roles is not None:
                    self.attendant.has_ended(self.roles(loop.number), pid, how)

    def _drain(self) -> int:
        running = [loop for loop in self.loops if loop.pid]
        for loop in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(loop.pid, signal.SIGTERM)
        limit, worst, ended = time.monotonic() + self.grace, 0, False
        while running:
            for loop in running[:]:
                status = _ended(loop.pid)
                if status is not None:
                    running.remove(loop)
                    drained = status in (0, -signal.SIGTERM)  # the latter before it had begun
                    worst = max(worst, int(not drained))
                    if not drained:
                        log.warning(
                            "loop %s (process %s) %s while it drained", loop.number + 1, loop.pid, how_it_ended(status)
                        )
            if running and not ended and (self._impatient or time.monotonic() >= limit):
                ended = True
                for loop in running:
                    os.kill(loop.pid, signal.SIGKILL)
            if running:
                self._attend()
                self._wait(None if ended else limit)
        return worst

    # -- the child -------------------------------------------------------------------------------------------------
    def _fork(self, number: int) -> int:
        """Signals stay blocked until the child has its handlers: an earlier one would run the parent's and be lost."""
        heard = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        parent = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._live(number, parent, heard)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
        return pid

    def _live(self, number: int, parent: int, heard: set[signal.Signals]) -> NoReturn:
        status = 1
        try:
            kill_with_parent(parent)
            signal.set_wakeup_fd(-1)
            for end in self._signals:
                os.close(end)
            for one in (*heard, signal.SIGCHLD):
                signal.signal(one, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)
            status = self.body(number)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            log.critical("loop %s ends with an error that nobody has caught", number + 1, exc_info=True)
        finally:
            logging.shutdown()
            os._exit(status)


def _ended(pid: int) -> int | None:
    """The exit code, or minus the signal, of a child that has ended; None for one at work, and for no child."""
    if not pid:
        return None
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None
