"""The same question asked of plain Celery and Redis: SIGKILL of the worker's group at seeded moments, effects counted
outside the broker.

`python -m tests.faults.campaign --subject celery --minutes 2 --seed 1`. The exit code is 1 when tasks were lost or ran
twice, which is what this subject must show under enough kills; without any kill it shows neither.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from kernel.processes import die_with_parent
from portal.embedded import Embedded
from tests.faults.harness import ROOT


@dataclass(slots=True)
class Result:
    seed: int
    tasks: int
    kills: int
    lost: int
    twice: int
    left: int
    seconds: float


def run(seed: int, minutes: float) -> int:
    """About twelve kills a minute, each in the middle of work. Prints one JSON line."""
    result = attack(seed, tasks=max(400, int(minutes * 1000)), tasks_between_kills=80)
    print(json.dumps(asdict(result)))
    return 1 if result.lost or result.twice else 0


def attack(seed: int, *, tasks: int, tasks_between_kills: int) -> Result:
    """A worker is killed after a drawn number of effects, so that every kill meets one at work; 0: no kills at all."""
    folder = Path(tempfile.mkdtemp(prefix="tg-celery-"))
    folder.chmod(0o711)
    servers = Embedded(folder, durable=False)
    effects = folder / "effects"
    effects.touch()
    r = random.Random(f"celery {seed}")
    worker: subprocess.Popen[bytes] | None = None
    try:
        os.environ["PLAIN_BROKER"] = servers.start_valkey()
        os.environ["PLAIN_EFFECTS"] = str(effects)
        from tests.faults.celery_app import app, effect

        app.conf.broker_url = os.environ["PLAIN_BROKER"]
        for number in range(tasks):
            effect.delay(number)
        started, kills = time.monotonic(), 0
        worker = _worker()
        while tasks_between_kills and (done := _lines(effects)) < tasks * 0.9:
            goal = done + r.randint(1, 2 * tasks_between_kills)
            _wait_until(lambda goal=goal: _lines(effects) >= goal, seconds=30)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            kills += 1
            worker = _worker()
        left = _drain(effects)
        counted = Counter(int(line) for line in effects.read_text().split())
        lost = sum(1 for number in range(tasks) if not counted[number]) - left
        twice = sum(times - 1 for times in counted.values() if times > 1)
        return Result(seed, tasks, kills, max(0, lost), twice, left, round(time.monotonic() - started, 1))
    finally:
        if worker is not None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _wait_until(condition: Callable[[], bool], *, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)


def _worker() -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.faults.celery_app",
        "worker",
        "-c",
        "2",
        "-l",
        "critical",
        "-Q",
        "plain",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )


def _drain(effects: Path) -> int:
    """Wait until the broker holds nothing, or nothing has happened for half a minute; answers what the broker still
    holds."""
    import redis

    last, since = -1, time.monotonic()
    with redis.Redis.from_url(os.environ["PLAIN_BROKER"]) as client:
        while True:
            held = int(client.llen("plain")) + int(client.hlen("unacked"))  # type: ignore[arg-type]
            size = effects.stat().st_size
            if size != last:
                last, since = size, time.monotonic()
            if (not held and time.monotonic() - since > 3) or time.monotonic() - since > 30:
                return held
            time.sleep(0.2)
