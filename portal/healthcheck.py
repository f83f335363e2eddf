"""`python -m portal.healthcheck`: asks the web server of this machine whether it is ready. The image's HEALTHCHECK.
`python -m portal.healthcheck signs`: whether the processes of this container that are watched give signs of life.
`python -m portal.healthcheck signs --end`: where one does not, its supervisor stands still, too, and is ended, so that
the container ends and is started again. Docker by itself only shows that one is unhealthy.

Plain standard library, so that a check every ten seconds costs no start of the whole product.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from kernel import life_signs

SILENT_SECONDS = 150.0  # later than a supervisor acts
FIRST = 1  # the process number of a container's init


def served_host(allowed: str) -> str:
    """A host name that ALLOWED_HOSTS accepts."""
    host = allowed.split(",")[0].strip().lstrip(".")
    return host if host not in {"", "*"} else "localhost"


def question(environment: Mapping[str, str]) -> urllib.request.Request:
    """`GET /health/ready` on this machine, under a host name that ALLOWED_HOSTS accepts; PORT is 8000 if unset."""
    return urllib.request.Request(
        f"http://127.0.0.1:{environment.get('PORT', '8000')}/health/ready",
        headers={"Host": served_host(environment.get("ALLOWED_HOSTS", "localhost"))},
    )


def signs(now: float) -> tuple[str, int]:
    """What is wrong with the processes that give signs in the folder of TILLGATE_LIFE, and which one it is; an empty
    text and 0 where nothing is. Their supervisor replaces them long before."""
    place = life_signs.folder()
    given = life_signs.given(place) if place is not None else {}
    ages = {pid: now - mark / 1e9 for pid, mark in given.items() if life_signs.exists(pid)}
    if not ages:
        return "no process gives signs of life", 0
    oldest = max(ages, key=lambda pid: ages[pid])
    if ages[oldest] <= SILENT_SECONDS:
        return "", 0
    return f"process {oldest}: no sign of life for {ages[oldest]:.0f} s", oldest


def below(pid: int, first: int = FIRST) -> int:
    """The process under `first` from which this one comes; 0 where there is none, as where the product itself is the
    first: nobody in its container can end that."""
    while pid > 0:
        parent = _parent(pid)
        if parent == first:
            return pid
        pid = parent
    return 0


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def end(pid: int, first: int = FIRST) -> str:
    """End the supervisor of a process that stands still. Answers what was done."""
    supervisor = below(pid, first)
    if not supervisor:
        return "nobody here can end the first process of a container: give the container an init (`init: true`)"
    with contextlib.suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGKILL)
    return f"process {supervisor}, its supervisor, is ended"


def main(given: Sequence[str] = ()) -> int:
    """0 when ready, 1 when not; the reason is printed and stands in the container's health log."""
    if list(given) in (["signs"], ["signs", "--end"]):
        said, silent = signs(time.time())
        print(said)
        if silent and "--end" in given:
            print(end(silent))
        return int(bool(said))
    try:
        with urllib.request.urlopen(question(os.environ), timeout=4) as answer:  # noqa: S310
            print(answer.read().decode())
            return 0
    except urllib.error.HTTPError as error:
        print(f"not ready: {error.code} {error.read(500).decode(errors='replace')}")
    except OSError as error:
        print(f"not ready: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
