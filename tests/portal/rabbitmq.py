"""A RabbitMQ of a test's own, on loopback; where Debian's package is not installed, its tests are skipped."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import kombu

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START = 60.0  # seconds
CONFIG = """
listeners.tcp.default = 127.0.0.1:{port}
default_user = tillgate
default_pass = {password}
loopback_users = none
log.console = false
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 1MB
"""


def here() -> bool:
    return SERVER.exists() and shutil.which("epmd") is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def await_line(process: subprocess.Popen[str], text: str, seconds: float) -> None:
    """Read what it writes up to a line with the text. One that does not come in time ends the process, and fails."""
    assert process.stdout is not None
    said: list[str] = []
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        for line in process.stdout:
            said.append(line)
            if text in line:
                return
    finally:
        late.cancel()
    raise AssertionError(f"{text!r} did not come: {''.join(said)[-3000:]}")


class RabbitMQ:
    """Can be started again at the same place after it was ended. `stop(hard=True)` is SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.password = folder, free_port(), secrets.token_urlsafe(20)
        self._epmd_port, self._distribution = free_port(), free_port()
        (folder / "rabbitmq.conf").write_text(CONFIG.format(port=self.port, password=self.password))
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / ".erlang.cookie").write_text(secrets.token_hex(10))
        (folder / ".erlang.cookie").chmod(0o400)
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tillgate{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        self._epmd = subprocess.Popen(["epmd", "-port", str(self._epmd_port)], env=self._environment)
        self._server: subprocess.Popen[str] | None = None
        self._holding: kombu.Connection | None = None

    @property
    def url(self) -> str:
        return f"amqp://tillgate:{quote(self.password)}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        self._server = subprocess.Popen(
            [str(SERVER)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        await_line(self._server, "completed with", START)

    def stop(self, *, hard: bool = False) -> None:
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL if hard else signal.SIGTERM)
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._server.pid, signal.SIGKILL)
            assert self._server.stdout is not None
            self._server.stdout.close()
            self._server = None

    def end(self) -> None:
        self.stop(hard=True)
        self._epmd.kill()
        self._epmd.wait()

    def pids(self) -> list[int]:
        """All processes of the server."""
        assert self._server is not None
        group = subprocess.run(["pgrep", "-g", str(self._server.pid)], capture_output=True, text=True, check=True)
        return [int(pid) for pid in group.stdout.split()]

    def purge(self) -> None:
        with kombu.Connection(self.url) as connection:
            for tier in range(4):
                kombu.Queue(f"tier{tier}", kombu.Exchange(f"tier{tier}"), f"tier{tier}")(connection).declare()
                connection.default_channel.queue_purge(f"tier{tier}")

    def take(self, queue: str) -> bytes | None:
        """A message as a worker holds it, not acknowledged, until `let_go`."""
        self._holding = kombu.Connection(self.url)
        found = self._holding.default_channel.basic_get(queue)
        return None if found is None else str(found.body).encode()

    def let_go(self) -> None:
        """As the end of the worker's process does."""
        assert self._holding is not None
        self._holding.close()

    def queued(self) -> dict[str, int]:
        """Messages that wait in each queue."""
        found = {}
        with kombu.Connection(self.url) as connection:
            for tier in range(4):
                with contextlib.suppress(Exception), connection.channel() as channel:
                    found[f"tier{tier}"] = channel.queue_declare(f"tier{tier}", passive=True).message_count
        return found


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RabbitMQ]:
    made = RabbitMQ(folder)
    try:
        made.start()
        yield made
    finally:
        made.end()
