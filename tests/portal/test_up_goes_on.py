"""`make up` goes on when something of it ends: PostgreSQL and each process are killed hard, and all answers again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from portal.embedded import Embedded, EmbeddedError, free_port
from portal.up import LocalInstallation, Revival

ROOT = Path(__file__).resolve().parents[2]
WAIT = 600.0  # the first start of all, on a busy machine
AGAIN = 90.0


def until(there: Callable[[], bool], seconds: float = WAIT) -> float:
    began = time.monotonic()
    while not there():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s"
        time.sleep(0.05)
    return time.monotonic() - began


class Up:
    """One `make up` in a folder of its own, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.port, self.folder, self.log = free_port(), folder / "state", folder / "said"
        removed = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL"}
        environment = {name: value for name, value in os.environ.items() if name not in removed}
        environment |= {"PORT": str(self.port), "STATE_DIR": str(self.folder), "DEMO": "no"}
        with self.log.open("w") as out:
            command = [sys.executable, "-m", "portal.up"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def said(self, words: str, times: int = 1) -> bool:
        return self.log.read_text().count(words) >= times

    def children(self) -> dict[str, int]:
        words = {"postgres": "postgres -D", "web": "portal.web_server"}
        words |= {"worker": "portal.worker", "scheduler": "portal.scheduler"}
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found |= {name: int(pid) for name, word in words.items() if word in command}
        return found


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path)
    yield made
    made.process.send_signal(signal.SIGTERM)
    made.process.wait(60)


@pytest.mark.thorough
def test_everything_answers_again_after_postgresql_and_each_process_is_killed(up: Up) -> None:
    until(lambda: up.said("Tillgate serves at"))
    until(up.ready)
    for name in ("postgres", "web", "worker", "scheduler"):
        before = up.children()
        os.kill(before[name], signal.SIGKILL)
        until(lambda name=name: up.said(f"{name} was ended by SIGKILL"), AGAIN)
        until(up.ready, AGAIN)
        until(lambda name=name, pid=before[name]: up.children().get(name, pid) != pid, AGAIN)
        others = {key: pid for key, pid in up.children().items() if key != name}
        assert others == {key: pid for key, pid in before.items() if key != name}, "the others went on"


@pytest.mark.thorough
def test_a_revived_server_has_its_data_under_the_url_of_before(tmp_path: Path) -> None:
    servers = Embedded(tmp_path / "state")
    try:
        url = servers.start_postgres()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
        assert servers.ended() == {}
        os.kill(servers.postgres_pid, signal.SIGKILL)
        until(lambda: servers.ended() == {"postgres": -signal.SIGKILL})
        servers.revive("postgres")
        assert servers.ended() == {}
        with psycopg.connect(url) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
    finally:
        servers.stop()


def test_what_does_not_last_is_started_with_longer_pauses() -> None:
    revival = Revival()
    pauses = []
    for _ in range(9):
        pauses.append(revival.notice())
        revival.started()
    assert pauses == [0.0, 0.25, 0.5, 1, 2, 4, 8, 16, 30]
    revival.began -= 61
    assert revival.notice() == 0.0


def test_make_up_outlives_what_keeps_a_service_from_starting_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is: it is tried again after the pause, and the service counts as ended until then."""
    servers = Embedded(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
    ended.wait()
    servers._running = [(ended, signal.SIGINT, "postgres")]
    installation = LocalInstallation(tmp_path)
    installation.services = servers
    installation.revivals["postgres"] = Revival()

    def fails() -> str:
        raise FileNotFoundError("/tmp/tg-gone")

    monkeypatch.setattr(servers, "start_postgres", fails)
    installation.start_again("postgres")
    assert servers.ended() == {"postgres": 7}
    assert not installation.revivals["postgres"].noticed


def test_a_server_that_lets_nobody_in_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="does not answer"):
        Embedded(tmp_path)._ensure_database(f"postgresql://nobody:x@127.0.0.1:{free_port()}")


@pytest.mark.thorough
def test_a_revived_server_needs_neither_its_folder_in_tmp_nor_a_free_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Embedded(tmp_path / "state", durable=False)
    try:
        url = servers.start_postgres()
        assert servers._socket_dir
        os.kill(servers.postgres_pid, signal.SIGKILL)
        until(lambda: servers.ended() == {"postgres": -signal.SIGKILL})
        shutil.rmtree(servers._socket_dir)
        monkeypatch.setattr(servers, "_ensure_database", lambda server: pytest.fail("a connection was needed"))
        servers.revive("postgres")
        with psycopg.connect(url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        servers.stop()
