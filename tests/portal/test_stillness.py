"""Which processes are taken to stand still: those that do, and nobody on a machine that slept or is busy."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from kernel import life_signs
from kernel.life_signs import EndedProcess
from portal import healthcheck
from portal.front.life import HUNG_SECONDS, HungThreads
from portal.front.places import ThreadPlaces
from portal.stillness import BUSY, BUSY_TIMES, REPLACED_STILL, STOPPED, TRACED, WAITS, Attendant, Doing, Stillness


class Machine:
    """A clock, and what its processes do; every process uses processor time only while it is `BUSY`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.states: dict[int, str] = {}
        self.marks: dict[int, int] = {}
        self._used = itertools.count()
        self.watched = Stillness(monotonic=lambda: self.now, doing=self._doing)

    def _doing(self, pid: int) -> Doing:
        state = self.states.get(pid, WAITS)
        return Doing(state, next(self._used) if state == BUSY else 0)

    def goes_on(self, seconds: float, *alive: int, step: float = 1.0, able: bool = True) -> dict[int, float]:
        """Who is ended meanwhile, and when. `alive` give a sign before each look."""
        ended: dict[int, float] = {}
        until = self.now + seconds
        while self.now < until:
            self.now += step
            self.marks |= {pid: self.marks.get(pid, 0) + 1 for pid in alive}
            for pid in self.watched.look(set(self.marks) - set(ended), self.marks, able=able):
                ended[pid] = self.now
        return ended


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.goes_on(5, 1, 2, 3)
    return made


def test_a_process_without_a_sign_for_half_a_minute_is_ended_and_nobody_else(machine: Machine) -> None:
    assert machine.goes_on(60, 2, 3) == {1: 5 + 30}


def test_one_that_was_stopped_by_a_signal_is_ended_as_soon(machine: Machine) -> None:
    machine.states[1] = STOPPED
    assert machine.goes_on(60, 2, 3) == {1: 5 + 30}


def test_one_that_works_or_waits_for_the_processor_has_four_times_as_long(machine: Machine) -> None:
    machine.states[1] = BUSY
    assert machine.goes_on(30 * BUSY_TIMES + 5, 2, 3) == {1: 5 + 30 * BUSY_TIMES}


def test_one_that_a_debugger_holds_is_left_alone(machine: Machine) -> None:
    machine.states[1] = TRACED
    assert machine.goes_on(1000, 2, 3) == {}


def test_a_machine_that_slept_ends_nobody(machine: Machine) -> None:
    machine.goes_on(29)
    machine.now += 36_000
    assert machine.goes_on(29) == {}
    assert machine.goes_on(60, 1, 2, 3) == {}


def test_a_machine_on_which_the_supervisor_itself_gets_no_processor_ends_nobody(machine: Machine) -> None:
    assert machine.goes_on(600, step=6.0) == {}


def test_where_no_sign_can_be_given_its_absence_says_nothing(machine: Machine) -> None:
    assert machine.goes_on(600, able=False) == {}


def test_a_process_that_has_not_given_its_first_sign_is_still_loading_unless_it_was_stopped() -> None:
    machine = Machine()
    for _ in range(100):
        machine.now += 1
        assert machine.watched.look({7}, {}) == {}
    machine.states[7] = STOPPED
    for _ in range(29):
        machine.now += 1
        assert machine.watched.look({7}, {}) == {}
    machine.now += 1
    assert list(machine.watched.look({7}, {})) == [7]


def test_when_all_stand_still_one_after_the_other_is_ended_with_growing_pauses(machine: Machine) -> None:
    machine.goes_on(5, *range(1, 7))
    ended = machine.goes_on(3000)
    times = sorted(ended.values())
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == [REPLACED_STILL.pause(number) for number in range(5)] == [30, 60, 120, 240, 480]


def test_all_that_were_stopped_are_ended_at_once(machine: Machine) -> None:
    machine.states = dict.fromkeys((1, 2, 3), STOPPED)
    assert machine.goes_on(60) == dict.fromkeys((1, 2, 3), 35.0)


def test_who_is_ended_is_noted_once_and_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    ended: list[int] = []
    said: list[str] = []
    ticks = map(float, itertools.count())
    stillness = Stillness(still=1.0, monotonic=lambda: next(ticks), doing=lambda _: Doing(STOPPED, 0))
    attendant = Attendant(tmp_path, said.append, stillness)
    (tmp_path / "77.alive").touch()
    attendant.attend({77: "worker"}, ended.append)
    attendant.attend({77: "worker"}, ended.append)
    attendant.has_ended("worker", 77, "was ended by SIGKILL")
    attendant.has_ended("worker", 78, "ended with exit code 70")
    noted = [one for _, one in life_signs.notes()]
    assert ended == [77]
    assert [(one.pid, one.role, one.why) for one in noted] == [(77, "worker", "still"), (78, "worker", "ended")]
    assert "worker (process 77) gave no sign of life" in said[0]


def test_a_note_that_cannot_be_read_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    (tmp_path / "1-5.ended").write_text("{")
    (tmp_path / "2-5.ended").write_text(json.dumps({"role": "worker"}))
    life_signs.note(tmp_path, EndedProcess("web", 3, "still", "stood still", 7.0))
    assert [one.pid for _, one in life_signs.notes()] == [3]
    assert {file.name for file in tmp_path.iterdir()} == {"3-7000.ended"}


def test_a_web_process_whose_threads_all_hang_for_two_minutes_is_told_from_one_that_is_only_full() -> None:
    now = 0.0
    hung = HungThreads(monotonic=lambda: now)
    full, free = ThreadPlaces("other", 2, 1), ThreadPlaces("gate", 2, 1)
    full.busy, free.busy = 2, 1
    found = []
    for second in range(400):
        now += 1
        if second == 100:
            full.ended += 1  # one came back, and another took its thread
        found.append(hung.look((free, full)))
    assert found.index("other") == 100 + HUNG_SECONDS
    now += 3600  # the machine slept
    assert hung.look((free, full)) == ""


def test_the_check_of_a_container_says_which_process_gives_no_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(life_signs.FOLDER, str(tmp_path))
    assert healthcheck.signs(0.0) == ("no process gives signs of life", 0)
    assert life_signs.give()
    given = max(life_signs.given(tmp_path).values()) / 1e9
    assert healthcheck.signs(given + 100) == ("", 0)
    said, silent = healthcheck.signs(given + 151)
    assert "no sign of life for 151 s" in said
    assert silent == os.getpid()


def test_the_check_of_a_container_ends_a_supervisor_that_stands_still() -> None:
    """It is not the first process of its container, which nobody in there could end."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        watched = int(supervisor.stdout.readline())
        os.kill(supervisor.pid, signal.SIGSTOP)
        try:
            assert healthcheck.below(watched, os.getpid()) == supervisor.pid
            assert str(supervisor.pid) in healthcheck.end(watched, os.getpid())
            assert supervisor.wait(10) == -signal.SIGKILL
            assert "init: true" in healthcheck.end(supervisor.pid, supervisor.pid)
        finally:
            os.kill(watched, signal.SIGKILL)


def test_the_processes_of_compose_have_an_init_and_are_ended_when_they_stand_still() -> None:
    services = yaml.safe_load((Path(__file__).resolve().parents[2] / "compose.yaml").read_text())["services"]
    for name in ("web", "worker", "scheduler"):
        assert services[name]["init"] is True
        assert services[name]["restart"] == "unless-stopped"
        assert "signs --end" in " ".join(services[name]["healthcheck"]["test"])
