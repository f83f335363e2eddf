"""The state directory, and why a sandbox may not start.

Light on purpose: a refusal should not first load a web server.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


class CannotStart(Exception):
    """One line for the operator: port taken, state directory in use, data not readable."""


def lock(state: Path) -> IO[str]:
    """Only one process per state directory, or the journals would mix."""
    state.mkdir(parents=True, exist_ok=True)
    held = (state / "lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise CannotStart(f"another sandbox already uses the state directory {state}") from None
    return held
