"""A message that may end its process is tried in a forked child: the worker, its database session and its lanes
survive.

Some ends no `except` sees: memory runs out, a C library crashes, a mapping never returns. A message that has ended a
worker, or was in the batch of one that ended, is therefore never tried in a worker process again.
"""

from __future__ import annotations

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

from kernel.processes import how_it_ended, kill_with_parent
from runtime.ledger import faultpoints
from runtime.ledger.trial import TrialEnded

T = TypeVar("T")
log = logging.getLogger(__name__)


def in_forked_child(work: Callable[[], T], ends: float) -> T:
    """Run `work` in a forked child; return what it returns (which must be picklable), or raise what it raises.

    `ends` in monotonic seconds: a child still at work then is killed. Raises `TrialEnded` when the child gave no
    answer. The child ends with this process, and is the first that the kernel kills when memory runs out (Linux). It
    must not use an open connection of this process: two processes on one socket would read each other's answers.
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
        how = "gave no answer within the lease" if answer is None else how_it_ended(status)
        raise TrialEnded(f"the process that tried it {how}")
    good, made = pickle.loads(answer)  # noqa: S301 - from our own child, over a pipe that no other process has
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
    """Wait for the child; returns its exit code, or minus the number of its signal.

    A child that has closed its end of the pipe is about to exit. Any other is killed before it can do more, such as
    send a message for which its lease no longer counts.
    """
    if not answered:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


# -- in the child ------------------------------------------------------------------------------------------------------


def _answer(work: Callable[[], Any], writer: int, parent: int) -> NoReturn:
    status = 1
    try:
        kill_with_parent(parent)
        _be_first_when_memory_is_short()
        try:
            answer = pickle.dumps((True, work()))
        except Exception as error:
            answer = _as_bytes(error)
        view = memoryview(answer)
        while view:
            view = view[os.write(writer, view) :]
        status = 0
    except BaseException:
        log.exception("the forked trial of a message failed")
    finally:
        os._exit(status)  # no clean-up: sockets and handlers belong to the parent


def _be_first_when_memory_is_short() -> None:
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _as_bytes(error: Exception) -> bytes:
    """The error with the child's traceback; an error that cannot be pickled becomes a RuntimeError with its text."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    with suppress(Exception):
        made = pickle.dumps((False, error))
        pickle.loads(made)  # noqa: S301 - our own bytes: some errors can be written and not read
        return made
    return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
