"""A message that may end its process is tried in a child: the worker, its database session and its lanes survive it.

A process is ended by things that no `except` sees: memory runs out, a C library crashes, a mapping never comes back. Whoever has
ended a worker once, or was in the batch of one that ended, is therefore never again tried in a worker itself.
"""

from __future__ import annotations

import ctypes
import logging
import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from runtime.ledger import faultpoints
from runtime.ledger.parking import Ended

T = TypeVar("T")
log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_libc: Any = ctypes.CDLL(None)


def apart(work: Callable[[], T], ends: float) -> T:
    """What `work` returns, or raises, in a forked child. What it returns must be picklable.

    `ends` in monotonic seconds: a child that is still at work then is ended. Raises `Ended` when the child did not answer.
    The child is ended with this process, and is the first that the kernel takes when memory runs out (Linux). It must not use
    an open connection of this process: two processes on one socket would read each other's answers.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(work, writer, parent)
    os.close(writer)
    answer = None
    try:
        answer = _read(reader, ends)
    finally:
        os.close(reader)
        status = _end(child, answered=answer is not None)
    if answer is None or status != 0:
        faultpoints.disarm()  # what was planted here has happened, in the child
        raise Ended(f"the process that tried it {_how(answer, status)}")
    good, made = pickle.loads(answer)  # noqa: S301 - from our own child, over a pipe that nobody else holds
    if good:
        result: T = made
        return result
    raise made


def _read(reader: int, ends: float) -> bytes | None:
    """All that the child writes until it closes its end; None when time is up before that."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            return None
        part = os.read(reader, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _end(child: int, *, answered: bool) -> int:
    """Waits for the child and answers how it ended: its exit code, or minus the number of its signal. One that closed its end of the
    pipe is on its way out; any other is ended before it can do anything more, such as to send what it was late for."""
    if not answered:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _how(answer: bytes | None, status: int) -> str:
    if answer is None:
        return "gave no answer within the lease"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"


# -- in the child ------------------------------------------------------------------------------------------------------


def _answer(work: Callable[[], Any], writer: int, parent: int) -> NoReturn:
    status = 1
    try:
        _go_first(parent)
        try:
            answer = pickle.dumps((True, work()))
        except Exception as error:
            answer = _as_bytes(error)
        view = memoryview(answer)
        while view:
            view = view[os.write(writer, view) :]
        status = 0
    except BaseException:
        log.exception("a message that was tried apart")
    finally:
        os._exit(status)  # no clean-up: sockets and handlers belong to the parent


def _go_first(parent: int) -> None:
    """Ended with the parent, and before anybody else when memory is short."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _as_bytes(error: Exception) -> bytes:
    """The error with the child's own traceback; one that cannot travel goes as its words."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    with suppress(Exception):
        made = pickle.dumps((False, error))
        pickle.loads(made)  # noqa: S301 - our own bytes: some errors can be written and not read
        return made
    return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
