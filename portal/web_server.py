"""How the web server is started, in one place: for `make up`, the image, the measurements and the campaign.

`python -m portal.web_server` starts granian and looks after it: granian loses a SIGTERM that comes before its processes
run, and then serves on. It is asked to end, and after its grace time it is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kernel.processes import die_with_parent
from portal import started_with

APPLICATION = "portal.asgi:application"
# A connection counts for backpressure as long as it is open, whatever it does; the front limits what is under way.
OPTIONS = (
    "--interface asgi --no-ws --backpressure 8192 --backlog 2048 --http1-header-read-timeout 30000 --log-level error "
    "--workers-kill-timeout 8"
)
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
    child = subprocess.Popen(command, preexec_fn=die_with_parent(signal.SIGKILL))  # noqa: S603 - our own words
    served = False
    while child.poll() is None and not asked.wait(0.25):
        served = served or _answers(said.host, said.port)
    if child.poll() is None:
        _end(child, GRACE_SECONDS if served else UNSERVED_SECONDS)
        return 0
    return child.returncode


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
    left = list(_below(child.pid))
    child.kill()
    child.wait()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> Iterator[int]:
    """The processes that it started, and theirs."""
    with contextlib.suppress(OSError):
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(one)
            yield from _below(int(one))


if __name__ == "__main__":
    sys.exit(main())
