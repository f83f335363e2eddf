"""Whoever wakes a worker does it at the configured broker: web server, scheduler, worker and commands alike."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.architecture.tree import ROOT, modules, text

SENDS = {"delay", "apply_async", "send_task", "apply_async_on_commit", "delay_on_commit"}
# Each place that sends, and how one message is sent from there.
SENDERS = {
    "catalog.tasks": "from catalog import tasks; tasks.import_requested({'payload': {'run_id': 1}})",
    "runtime.services.wakeups": "from runtime.services import wakeups; wakeups.wake(0, [0])",
}
PROCESSES = {
    "web": "import django; django.setup()",
    "scheduler": "from portal import scheduler; scheduler.prepare()",
    "worker": "from portal import worker; worker.prepare()",
    "command": "import manage; manage.main(['manage.py', 'help', '--commands'])",
}


def callers() -> Iterator[str]:
    for name, path in modules().items():
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
                yield name


class Broker:
    """Something at the broker's address: it answers nobody, and counts who came."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.came = 0
        threading.Thread(target=self._take, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.listening.getsockname()[1]}/0"

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.came += 1
            connection.close()


def test_every_place_that_sends_is_tried_here():
    assert set(callers()) == set(SENDERS)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("sender", SENDERS)
def test_a_wake_up_reaches_the_configured_broker(sender, process):
    """From the process's first thread and from another one: Celery keeps its current application per thread."""
    broker = Broker()
    code = (
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')\n"
        f"{PROCESSES[process]}\n"
        "import threading\n"
        f"def send():\n    {SENDERS[sender]}\n"
        "one = threading.Thread(target=send); one.start(); one.join()\n"
    )
    environment = {**os.environ, "SECRET_KEY": "x" * 50, "REDIS_URL": broker.url}
    environment.pop("BROKER_URL", None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120
        )
    finally:
        broker.listening.close()
    assert done.returncode == 0, done.stderr
    assert broker.came, done.stderr


def test_a_wake_up_reaches_a_broker_at_a_socket_of_this_machine(tmp_path):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "redis"))
    listening.listen()
    came = []
    threading.Thread(target=lambda: came.append(listening.accept()[0].close()), daemon=True).start()
    code = f"import django; django.setup()\n{SENDERS['runtime.services.wakeups']}"
    environment = {**os.environ, "SECRET_KEY": "x" * 50, "REDIS_URL": f"unix://{tmp_path / 'redis'}"}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    environment.pop("BROKER_URL", None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
    finally:
        listening.close()
    assert done.returncode == 0, done.stderr
    assert came
