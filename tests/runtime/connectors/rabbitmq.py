"""A RabbitMQ of Debian's (`apt-get install rabbitmq-server`) in a folder of its own, for as long as the tests run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import amqp

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER, PASSWORD = "till", "gate-of-rabbits"
_CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
log.console = false
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class RabbitMQ:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "rabbitmq.conf").write_text(_CONFIG.format(port=self.port, user=USER, password=PASSWORD))
        (folder / "plugins").write_text("[].")
        self.environment = os.environ | {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"tillgate{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "out.log").open("wb") as out:
            self.process = subprocess.Popen(
                [PROGRAM], env=self.environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                self.channel().connection.close()
                return
            except (OSError, amqp.AMQPError):
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        raise RuntimeError((self.folder / "out.log").read_text()[-2000:])

    def kill(self) -> None:
        """As a machine that loses power."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None

    def stop(self) -> None:
        self.kill()
        name, epmd = self.environment["ERL_EPMD_PORT"], shutil.which("epmd")
        if epmd:
            more = {"ERL_EPMD_PORT": name, "ERL_EPMD_ADDRESS": "127.0.0.1"}
            subprocess.run([epmd, "-kill"], env=os.environ | more, capture_output=True, check=False, timeout=10)

    def channel(self, port: int = 0) -> Any:
        """A client of the library itself: the other side's witness."""
        made = amqp.Connection(
            f"127.0.0.1:{port or self.port}", USER, PASSWORD, login_method="PLAIN", connect_timeout=5, read_timeout=10
        )
        made.connect()
        return made.channel()


def why_not() -> str:
    """Why no broker can be started here; empty where one can."""
    return "" if PROGRAM.exists() else "no RabbitMQ on this machine: apt-get install rabbitmq-server"
