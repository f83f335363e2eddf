"""Waiting where it was asked for: while the gate does not know, and while it says "not now"."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tillgate.exits import Failure

Answer = TypeVar("Answer")
FIRST, LONGEST = 1.0, 30.0
clock, sleep = time.monotonic, time.sleep


def until_settled(
    ask: Callable[[], Answer], settled: Callable[[Answer], bool], seconds: float, say: Callable[[str], None]
) -> Answer:
    """Ask until the answer is settled, at most so many seconds long; then the last answer, or the last Failure.

    The pause doubles from one second to thirty, a part of it by chance so that a fleet does not ask in step. A longer
    pause that the gate asks for (Retry-After) is kept, and where it is longer than what is left nothing more is asked.
    """
    ends, pause = clock() + seconds, FIRST
    while True:
        answer, failure = None, None
        try:
            answer = ask()
        except Failure as error:
            if not error.again:
                raise
            failure = error
        if answer is not None and settled(answer):
            return answer
        left = ends - clock()
        wanted = failure.pause if failure else 0.0
        if left <= 0 or wanted > left:
            if failure is not None:
                raise failure
            assert answer is not None
            return answer
        rest = max(min(left, pause * (0.75 + (time.monotonic_ns() % 1000) / 2000)), wanted)
        say(f"{failure or 'the gate does not know yet'}; asking again in {rest:.0f} s, {left:.0f} s left to wait")
        sleep(rest)
        pause = min(pause * 2, LONGEST)
