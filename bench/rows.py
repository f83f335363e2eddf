"""Lines for the table of docs/benchmarks.md: goal, work, peer, figure, whether it is met, command, date and the load of
the machine while it ran. They are printed; who keeps one puts it into the table by hand, also when a goal is missed.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime

HEAD = "| Goal | Work | Peer or limit in the same run | Measured | Goal met | Command (date, load) |"
_began = os.getloadavg()[0]


def command(arguments: list[str]) -> str:
    """The command as a reader types it: folders of this machine are left out."""
    module, *given = arguments
    return " ".join(["python -m", module, *("…" if "/" in one else one for one in given)])


def row(goal: str, work: str, *, peer: str = "–", measured: str, met: str, ran: str = "", began: float = 0.0) -> str:
    """Print one line of the table and give it back. `ran`: the command, of this process where it is left out;
    `began`: the load when it started."""
    ran = ran or command([_module(), *sys.argv[1:]])
    when = f"{datetime.now(UTC):%Y-%m-%d}, load {began or _began:.1f} to {os.getloadavg()[0]:.1f}"
    cells = [goal, work, peer, measured, met, f"`{ran}` ({when})"]
    line = "| " + " | ".join(re.sub(r"\s*\|\s*", " / ", cell) for cell in cells) + " |"
    print(line, flush=True)
    return line


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else "bench"


def met(good: bool, limit: str) -> str:
    """The cell that says whether a goal is met, with the goal."""
    return f"{'yes' if good else 'no'} ({limit})"
