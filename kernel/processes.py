"""Child processes: how they end with their parent, and in which words their end is reported."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1  # prctl(2), Linux
_libc: Any = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: a child must not open libraries


def die_with_parent(with_signal: int) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `with_signal` to the child when its parent ends, however that happens.

    Linux only (`prctl(PR_SET_PDEATHSIG)`); elsewhere it does nothing.
    """

    def request_signal() -> None:
        if hasattr(_libc, "prctl"):
            _libc.prctl(_PR_SET_PDEATHSIG, with_signal)

    return request_signal


def end_with_parent() -> None:
    """Called in a child: it is asked to end when its parent ends, however that happens."""
    die_with_parent(signal.SIGTERM)()


def kill_with_parent(parent: int) -> None:
    """Called in a forked child of `parent`: the child is killed when the parent ends.

    It exits at once when the parent has ended already.
    """
    die_with_parent(signal.SIGKILL)()
    if os.getppid() != parent:
        os._exit(1)


def how_it_ended(status: int) -> str:
    """An exit code, or minus the number of a signal, in words: `ended with exit code 70`, `was ended by SIGKILL`."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
