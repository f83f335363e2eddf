"""RabbitMQ as the broker: every wake-up reaches it, a worker takes it, and nobody waits for one that is away, stands
still or is somebody else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from portal import broker
from tests.architecture.tree import ROOT
from tests.faults.certificates import Certificates
from tests.portal import rabbitmq
from tests.portal.rabbitmq import RabbitMQ, await_line
from tests.portal.test_broker_everywhere import PROCESSES, SENDERS

EVERYDAY = 0  # a server is started and ended
pytestmark = pytest.mark.skipif(not rabbitmq.here(), reason="RabbitMQ is not installed (Debian: rabbitmq-server)")
WORKER = 60.0  # seconds until a worker has said what is waited for
AT_ONCE = 5.0  # seconds; a broker that is away is known after less
WAKES = 30_000  # more than the buffers of a connection hold


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with rabbitmq.running(tmp_path_factory.mktemp("rabbitmq")) as made:
        yield made


def environment(url: str, **more: str) -> dict[str, str]:
    database = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{settings.DATABASES['default']['NAME']}"
    made = {"SECRET_KEY": "x" * 50, "BROKER_URL": url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    return {**os.environ, **made, "DATABASE_URL": database, **more}


def run(code: str, url: str, timeout: float = 60, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(url, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


WAKE = """
import time, django; django.setup()
from runtime.services import wakeups
began = time.monotonic()
{work}
print(time.monotonic() - began, bool(wakeups._quiet_until))
"""


def seconds(url: str, work: str = "wakeups.wake(0, [0])", **more: str) -> tuple[float, bool]:
    """How long a process stands over its wake-ups, and whether it is quiet afterwards."""
    said, quiet = run(WAKE.format(work=work), url, **more).split()
    return float(said), quiet == "True"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_wake_up_of_every_place_reaches_its_queue(server: RabbitMQ, process: str) -> None:
    before = sum(server.queued().values())
    run("\n".join([PROCESSES[process], *SENDERS.values()]), server.url)
    assert sum(server.queued().values()) == before + len(SENDERS)


@pytest.fixture
def worker(server: RabbitMQ, transactional_db: None) -> Iterator[subprocess.Popen[str]]:
    """The Celery worker of the product, which tells what it does."""
    server.purge()
    command = [sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "-P", "solo"]
    command += ["--without-gossip", "--without-mingle", "-Q", "tier0,tier1,tier2,tier3", "-n", "tried@%h"]
    told = environment(server.url, LOG_LEVEL="INFO", PYTHONUNBUFFERED="1")
    made = subprocess.Popen(command, env=told, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        await_line(made, " ready.", WORKER)
        yield made
    finally:
        made.kill()
        made.communicate()


def test_a_worker_takes_wake_ups_and_goes_on_when_a_lost_broker_is_back(
    server: RabbitMQ, worker: subprocess.Popen[str]
) -> None:
    assert seconds(server.url)[1] is False
    await_line(worker, " succeeded in", WORKER)
    server.stop(hard=True)
    took, quiet = seconds(server.url)
    assert (took < AT_ONCE, quiet) == (True, True)
    server.start()
    assert seconds(server.url)[1] is False
    await_line(worker, " succeeded in", WORKER)


def test_what_a_worker_had_when_it_was_killed_comes_again_and_is_no_second_piece_of_work(server: RabbitMQ) -> None:
    """Both carry a shard: who comes second finds nothing to claim."""
    server.purge()
    seconds(server.url, "wakeups.wake(0, [3]); wakeups.wake(0, [3])")
    first = server.take("tier0")
    assert first is not None
    assert server.queued()["tier0"] == 1, "the other one"
    server.let_go()
    again = server.take("tier0")
    assert again == first
    server.let_go()


@pytest.mark.parametrize("tier", [0, 1], ids=["a queue that it knows", "another queue"])
def test_nobody_waits_for_a_broker_that_stands_still(server: RabbitMQ, tier: int) -> None:
    """It neither answers nor reads, as RabbitMQ does itself when it has no memory or disk left."""
    pids = server.pids()
    stop = f"wakeups.wake(0, [0])\nimport os, signal\nfor pid in {pids}: os.kill(pid, signal.SIGSTOP)\n"
    try:
        took, quiet = seconds(server.url, f"{stop}for _ in range({WAKES}): wakeups.wake({tier}, [0])")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert (took < 3 * AT_ONCE, quiet) == (True, True)


def test_a_server_with_the_certificate_of_another_host_gets_nothing(tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    context = certificates.context()
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listening.accept()
                with context.wrap_socket(line, server_side=True) as inside:
                    heard.append(inside.recv(8))
            except OSError:
                if listening.fileno() < 0:
                    return

    threading.Thread(target=serve, daemon=True).start()
    url = f"amqps://tillgate:secret@127.0.0.1:{listening.getsockname()[1]}//"
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((tmp_path / "elsewhere.pem").read_bytes() + (tmp_path / "right.pem").read_bytes())
    try:
        certificates.present(context, "elsewhere")
        assert seconds(url, SSL_CERT_FILE=str(trusted))[1]
        assert heard == []
        certificates.present(context, "right")
        seconds(url, SSL_CERT_FILE=str(trusted))
        assert heard == [b"AMQP\x00\x00\x09\x01"]
    finally:
        listening.close()


def test_a_worker_refuses_a_broker_that_is_not_supported() -> None:
    command = [sys.executable, "-m", "celery", "-A", "portal.celery", "worker", "-P", "solo"]
    done = subprocess.run(
        command, env=environment("sqs://a:secret@"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("tillgate: BROKER_URL")
    assert "secret" not in done.stderr
    assert broker.wrong("amqp://a:b@c//") is None
