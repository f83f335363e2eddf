"""Named points where a fault campaign kills or stops this process. Without `TILLGATE_FAULT` they cost one comparison.

`TILLGATE_FAULT="point:n"` sends SIGKILL to this process the n-th time it passes the point, `"point:n:stop"` SIGSTOP.
"""

from __future__ import annotations

import os
import signal

_point, _, _rest = os.environ.get("TILLGATE_FAULT", "").partition(":")
_count, _, _how = _rest.partition(":")
_left = int(_count) if _count.isdecimal() else 0


def hit(point: str) -> None:
    """Pass a named point."""
    global _left
    if point == _point and _left:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGSTOP if _how == "stop" else signal.SIGKILL)


def disarm() -> None:
    """Pass every point from now on: a child of this process has met its fault."""
    global _left
    _left = 0
