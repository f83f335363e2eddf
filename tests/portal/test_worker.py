"""`python -m portal.worker` on a real database: its loops deliver, and one that is killed has an heir."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from portal.worker import arguments

ROOT = Path(__file__).resolve().parents[2]
WAIT = 60.0


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    d = connection.settings_dict
    url = f"postgresql://{quote(d['USER'])}:{quote(d['PASSWORD'])}@{d['HOST']}:{d['PORT']}/{d['NAME']}"

    def start(*arguments: str) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, "-m", "portal.worker", "--concurrency", "0", *arguments],
            cwd=ROOT,
            text=True,
            stderr=subprocess.PIPE,
            env=dict(os.environ, DATABASE_URL=url, SECRET_KEY="tests"),
        )
        started.append(made)
        return made

    yield start
    for one in started:
        one.kill()
        one.communicate()


def beating(count: int, *besides: str) -> set[str]:
    """The names of so many workers that have beaten, once there are that many."""
    limit = time.monotonic() + WAIT
    while True:
        with connection.cursor() as cursor:
            cursor.execute("select name from runtime_worker where not name = any(%s)", [list(besides)])
            names = {name for (name,) in cursor.fetchall()}
        if len(names) >= count:
            return names
        assert time.monotonic() < limit, f"waited {WAIT:.0f} s for {count} workers, there are {names}"
        time.sleep(0.02)


def test_a_loop_that_is_killed_is_replaced_by_one_that_beats_and_a_signal_drains_them_all(worker) -> None:
    supervisor = worker("--loops", "2", "--no-collect")
    first = beating(2)
    victim = min(first)
    pid = int(victim.rpartition("-")[2])
    assert pid != supervisor.pid
    os.kill(pid, signal.SIGKILL)
    beating(1, *first)
    said = next(
        line for line in supervisor.stderr if "role_checks" not in line and "portal.guard" not in line
    )  # the tests' own role is too strong
    assert f"(process {pid}) was ended by SIGKILL" in said
    assert said.rstrip().endswith("replaced")
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(WAIT) == 0
    assert beating(1) == {victim}, "who drained has signed off; who was killed is missed"


@pytest.mark.thorough
def test_sources_are_read_by_processes_beside_those_that_deliver(worker) -> None:
    supervisor = worker("--collectors", "2")
    beating(3)
    with connection.cursor() as cursor:
        cursor.execute("select kind, shards::text from runtime_worker order by 1, 2")
        assert set(cursor.fetchall()) == {("collect", "[0, 1]"), ("collect", "[0, 1, 2, 3]"), ("work", "[0, 1, 2, 3]")}
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(WAIT) == 0


def test_a_worker_serves_the_shards_that_it_is_given() -> None:
    assert arguments(["--shards", "0-2,9"]).shards == (0, 1, 2, 9)
    assert arguments([]).shards is None


@pytest.mark.parametrize("wrong", ["16", "a", "3-1", "", "1-x", "-1"])
def test_shards_that_are_none_are_refused_in_one_line(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments([f"--shards={wrong}"])
    assert "--shards" in capsys.readouterr().err.splitlines()[-1]
