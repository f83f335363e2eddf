"""How the web server is started, in one place: for `make up`, the image, the measurements and the campaign.

`python -m portal.web_server` starts granian and looks after it: granian loses a SIGTERM that comes before its processes
run, and then serves on. It is asked to end, and after its grace time it is ended. A process that stands still is ended
(`portal.stillness`), and granian starts another one; a granian that stands still itself is ended with all of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kernel import life_signs
from kernel.processes import die_with_parent
from portal import private_state, started_with
from portal.front.connections import PLACES
from portal.stillness import Attendant, kill

APPLICATION = "portal.asgi:application"
# HTTP/1.1 alone: without TLS hardly anybody speaks HTTP/2, and one connection asks and withdraws its requests
# faster than anybody can answer.
# A connection counts for backpressure as long as it is open, whatever it does; the front limits what is under way, and
# which connections are kept.
# Headers that are not whole are kept for half a minute, so no connection keeps more of them than the buffer twice.
OPTIONS = (
    f"--interface asgi --http 1 --no-ws --backpressure {PLACES} --backlog 2048 --http1-header-read-timeout 30000 "
    "--http1-buffer-size 65536 --log-level error --workers-kill-timeout 8 --respawn-failed-workers"
)
FILES = 2 * PLACES
GRACE_SECONDS = 9.0  # for requests that are under way; an engine kills a container ten seconds after it asked
UNSERVED_SECONDS = 1.0  # for a server that has not answered anybody yet


def arguments(port: int, *, host: str = "127.0.0.1", workers: int = 1) -> list[str]:
    """What follows the interpreter, for granian itself."""
    return [
        "-m",
        "granian",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(workers),
        *OPTIONS.split(),
        APPLICATION,
    ]


def attended(port: int, *, host: str = "127.0.0.1", workers: int = 1) -> list[str]:
    """What follows the interpreter, for granian with somebody who looks after it."""
    return ["-m", "portal.web_server", "--host", host, "--port", str(port), "--workers", str(workers)]


def main(given: list[str] | None = None) -> int:
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    parser = argparse.ArgumentParser(prog="python -m portal.web_server", description="Serve pages and API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    said = parser.parse_args(given)
    command = [sys.executable, *arguments(said.port, host=said.host, workers=said.workers)]
    started_with.refuse_wrong_settings()
    private_state.tighten(started_with.state_folder())
    from portal.guard.looks import BOUND
    from portal.guard.start import AGAIN_SECONDS, REFUSED, Door

    os.environ[BOUND] = said.host
    door = Door()
    if door.refused_in_a_child():
        return REFUSED
    allow_files()
    attendant = WebAttendant(Attendant(life_signs.folder(make=True), _say))
    child = subprocess.Popen(command, preexec_fn=die_with_parent(signal.SIGKILL))  # noqa: S603 - our own words
    served, again = False, time.monotonic() + AGAIN_SECONDS
    while child.poll() is None and not asked.wait(0.25):
        served = served or _answers(said.host, said.port)
        attendant.attend(child.pid)
        if not door.asked and time.monotonic() >= again:
            again = time.monotonic() + AGAIN_SECONDS
            if door.refused_in_a_child():
                _end(child, UNSERVED_SECONDS)
                return REFUSED
    if child.poll() is None:
        _end(child, GRACE_SECONDS if served else UNSERVED_SECONDS)
        return 0
    return child.returncode


def allow_files() -> None:
    """As many as the system lets this process have: each connection is one, and 1,024 are the habit of many systems."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    sys.stderr.write(f"tillgate: {text}\n")


@dataclass(slots=True)
class WebAttendant:
    """Looks at granian and at the processes that it has started, whichever they are at the time."""

    attendant: Attendant
    known: set[int] = field(default_factory=set)

    def attend(self, server: int) -> None:
        if time.monotonic() < self.attendant.stillness.due():
            return
        below = set(_below(server))
        roles = dict.fromkeys(below, "web")
        for pid in self.known - below:
            self.attendant.has_ended("web", pid, "ended by itself")
        self.attendant.attend(
            {**roles, server: "web server"}, lambda pid: _kill_tree(pid) if pid == server else kill(pid)
        )
        signs = life_signs.given(self.attendant.place) if self.attendant.place is not None else {}
        self.known = {pid for pid in below if pid in signs}


def _kill_tree(pid: int) -> None:
    for one in (*_below(pid), pid):
        kill(one)


def _answers(host: str, port: int) -> bool:
    at = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    with contextlib.suppress(OSError, http.client.HTTPException):
        asking = http.client.HTTPConnection(at, port, timeout=1)
        try:
            asking.request("GET", "/health/live")
            return asking.getresponse().status == 200
        finally:
            asking.close()
    return False


def _end(child: subprocess.Popen[bytes], seconds: float) -> None:
    child.send_signal(signal.SIGTERM)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.2)
            return
    _kill_tree(child.pid)
    child.wait()


def _below(pid: int) -> Iterator[int]:
    """The processes that it started, and theirs."""
    with contextlib.suppress(OSError):
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(one)
            yield from _below(int(one))


if __name__ == "__main__":
    sys.exit(main())
