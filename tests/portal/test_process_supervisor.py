"""The supervisor of the worker's loops: real processes, killed as an operator or the kernel would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernel import life_signs
from portal.process_supervisor import RESTART, pause_after

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, signal, sys, threading, time
from kernel import life_signs
from portal.process_supervisor import ProcessSupervisor
from portal.stillness import Attendant, Stillness

def say(*words):
    os.write(1, (" ".join(str(word) for word in words) + "\\n").encode())

def works(number):
    drain = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: drain.set())
    say("loop", number, os.getpid())
    drain.wait()
    say("drained", number, os.getpid())
    return 0

def ends_at_once(number):
    say("loop", number, os.getpid())
    return 3

def hangs(number):
    signal.signal(signal.SIGTERM, lambda *_: say("asked", number, os.getpid()))
    say("loop", number, os.getpid())
    while True:
        signal.pause()

def gives_signs(number):
    def signs():
        while True:
            life_signs.give()
            time.sleep(0.01)
    life_signs.give()
    threading.Thread(target=signs, daemon=True).start()
    say("loop", number, os.getpid())
    threading.Event().wait()

body, count = globals()[sys.argv[1]], int(sys.argv[2])
if body is gives_signs:
    place = life_signs.folder(make=True)
    attendant = Attendant(place, lambda said: sys.stderr.write(said + "\\n"), Stillness(still=0.3, pause=0.1))
    say("loop", 0, place)
    sys.exit(ProcessSupervisor(body, count, roles=lambda number: "worker", attendant=attendant).run())
sys.exit(ProcessSupervisor(body, count).run())
"""


class Kept:
    """A supervisor in a process of its own; what its loops say comes line by line."""

    def __init__(self, body: str, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, body, str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def loop(self) -> int:
        """The process number of the loop that says that it has begun."""
        word, _, pid = self.line()
        assert word == "loop"
        return int(pid)

    def logged(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline().strip()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def kept() -> Iterator[Callable[[str, int], Kept]]:
    made: list[Kept] = []

    def start(body: str, count: int = 1) -> Kept:
        made.append(Kept(body, count))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.communicate()


def test_a_loop_that_is_killed_is_replaced_and_the_others_work_on(kept: Callable[[str, int], Kept]) -> None:
    supervisor = kept("works", 2)
    first, second = supervisor.loop(), supervisor.loop()
    os.kill(first, signal.SIGKILL)
    third = supervisor.loop()
    said = supervisor.logged()
    assert f"(process {first}) was ended by SIGKILL" in said
    assert "; replaced" in said
    assert supervisor.end(signal.SIGTERM) == 0
    assert {tuple(supervisor.line())[2] for _ in range(2)} == {str(second), str(third)}


def test_a_loop_that_is_frozen_is_ended_replaced_and_noted_and_the_others_work_on(
    kept: Callable[[str, int], Kept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILLGATE_LIFE", str(tmp_path))
    supervisor = kept("gives_signs", 2)
    supervisor.line()
    first, second = supervisor.loop(), supervisor.loop()
    os.kill(first, signal.SIGSTOP)
    third = supervisor.loop()
    assert f"worker (process {first}) gave no sign of life" in supervisor.logged()
    assert f"(process {first}) was ended by SIGKILL" in supervisor.logged()
    assert [(one.pid, one.why) for _, one in life_signs.notes()] == [(first, "still")]
    assert life_signs.exists(second)
    assert life_signs.exists(third)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_every_loop_and_the_exit_code_is_zero(
    kept: Callable[[str, int], Kept], number: signal.Signals
) -> None:
    supervisor = kept("works", 3)
    loops = {supervisor.loop() for _ in range(3)}
    assert supervisor.end(number) == 0
    assert {int(supervisor.line()[2]) for _ in range(3)} == loops
    assert supervisor.line() == [], "no process holds the pipe any more"


def test_a_loop_that_ends_at_once_is_not_started_again_and_again_without_a_pause(
    kept: Callable[[str, int], Kept],
) -> None:
    began = time.monotonic()
    supervisor = kept("ends_at_once")
    for _ in range(4):
        supervisor.loop()
    took = time.monotonic() - began
    said = [supervisor.logged() for _ in range(3)]
    assert all("ended with exit code 3" in line for line in said)
    assert [line.rpartition("; ")[2] for line in said] == ["replaced", "replaced in 0.25 s", "replaced in 0.5 s"]
    assert took >= 0.75


def test_pauses_grow_to_half_a_minute_and_no_further() -> None:
    assert [pause_after(n) for n in range(6)] == [0.0, 0.0, 0.25, 0.5, 1.0, 2.0]
    assert pause_after(9) == pause_after(1000) == RESTART.ceiling


def test_loops_end_with_a_keeper_that_is_killed(kept: Callable[[str, int], Kept]) -> None:
    supervisor = kept("works", 2)
    supervisor.loop(), supervisor.loop()
    assert supervisor.end(signal.SIGKILL) == -signal.SIGKILL
    assert supervisor.line() == [], "the pipe closes when the last of them has ended"


def test_a_second_signal_ends_a_loop_that_does_not_drain_and_the_exit_code_says_so(
    kept: Callable[[str, int], Kept],
) -> None:
    supervisor = kept("hangs")
    loop = supervisor.loop()
    supervisor.process.send_signal(signal.SIGTERM)
    assert supervisor.line() == ["asked", "0", str(loop)]
    assert supervisor.end(signal.SIGTERM) == 1
    assert "was ended by SIGKILL while it drained" in supervisor.logged()
