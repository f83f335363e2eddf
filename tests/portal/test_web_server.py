"""The web server ends when it is asked to, at whatever moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal import web_server
from portal.embedded import free_port

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("moment", ["it has started its server", "its server has started a process", "it answers"])
def test_it_ends_in_time_and_leaves_nothing_behind(moment: str) -> None:
    """granian by itself loses a SIGTERM that comes before its processes run."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, *web_server.attended(port)], cwd=ROOT, env=os.environ | {"SECRET_KEY": "test"}
    )
    try:
        reached = {
            "it has started its server": lambda: len(below(server.pid)) >= 1,
            "its server has started a process": lambda: len(below(server.pid)) >= 2,
            "it answers": lambda: web_server._answers("127.0.0.1", port),
        }[moment]
        until(reached, 60)
        pids = below(server.pid)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        until(lambda: not any(runs(pid) for pid in pids), 5)
        assert not web_server._answers("127.0.0.1", port)
    finally:
        server.kill()
        server.wait()


def below(pid: int) -> list[int]:
    return list(web_server._below(pid))


def until(reached: object, seconds: float) -> None:
    limit = time.monotonic() + seconds
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < limit
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False
