"""The web server ends when it is asked to, at whatever moment."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernel import life_signs
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


def test_a_process_that_is_frozen_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    """It was noticed by nobody, and every second call waited for it."""
    port = free_port()
    settings = {"SECRET_KEY": "test", "TILLGATE_LIFE": str(tmp_path), "TILLGATE_STILL_SECONDS": "3"}
    server = subprocess.Popen(
        [sys.executable, *web_server.attended(port, workers=2)], cwd=ROOT, env=os.environ | settings
    )
    try:
        until(lambda: len(serving(server.pid, tmp_path)) == 2, 90)
        frozen, other = sorted(serving(server.pid, tmp_path))
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: len(serving(server.pid, tmp_path) - {frozen, other}) == 1 and not runs(frozen), 60)
        assert other in serving(server.pid, tmp_path)
        assert all(web_server._answers("127.0.0.1", port) for _ in range(20))
        assert [(one.role, one.why, one.pid) for _, one in noted(tmp_path)] == [("web", "still", frozen)]
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def serving(server: int, signs: Path) -> set[int]:
    """The processes below that have given a sign of life."""
    return set(life_signs.given(signs)) & set(below(server))


def noted(signs: Path) -> list[tuple[Path, life_signs.EndedProcess]]:
    os.environ[life_signs.FOLDER] = str(signs)
    try:
        return list(life_signs.notes())
    finally:
        del os.environ[life_signs.FOLDER]


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


def test_silent_connections_of_one_client_stop_neither_health_nor_pages() -> None:
    """They were never closed, and with all places taken nobody was answered."""
    port = free_port()
    settings = {"SECRET_KEY": "test", "WEB_CONNECTIONS_PER_ADDRESS": "40"}
    server = subprocess.Popen([sys.executable, *web_server.attended(port)], cwd=ROOT, env=os.environ | settings)
    silent: list[socket.socket] = []
    try:
        until(lambda: web_server._answers("127.0.0.1", port), 60)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as busy:
            for number in range(400):
                silent.append(socket.create_connection(("127.0.0.1", port)))
                if number % 4 == 1:
                    silent[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Half: ")
                elif number % 4 == 2:
                    silent[-1].sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            until(lambda: sum(ended(one) for one in silent) >= 360, 30)
            for _ in range(20):
                busy.request("GET", "/health/live")
                assert busy.getresponse().read() == b'{"status": "live"}'
        until(lambda: all(ended(one) for one in silent), 30)  # who has sent no request is closed in any case
    finally:
        for one in silent:
            one.close()
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def ended(one: socket.socket) -> bool:
    """Whether the other side has closed it; what it said before is read."""
    one.setblocking(False)
    try:
        while one.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
