"""In which process a message is tried that may end its process. The worker gives a runner that forks
(`runtime.worker.forked_trial`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class TrialEnded(Exception):
    """The process in which a message was tried has ended without an answer. `wait`: seconds that a call of it may still
    be under way."""

    wait = 0.0


class TrialRunner(Protocol):
    """Runs `work`, here or in a process of its own, and returns its result; not longer than until `ends` (monotonic
    seconds)."""

    def __call__(self, work: Callable[[], T], ends: float) -> T: ...


def in_this_process(work: Callable[[], T], ends: float) -> T:
    """In this process, which ends where the message ends it."""
    return work()
