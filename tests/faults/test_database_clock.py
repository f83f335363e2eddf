"""The clock of a server that the campaign sets: a process that runs sees it, and what it stored is taken back."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.database_clock import DatabaseClock, can_be_set
from tests.faults.judge import Verdict
from tests.faults.source_faults import SourceFaults

READ = "import sys, time\nfor line in sys.stdin: print(time.time(), flush=True)"


@pytest.mark.skipif(not can_be_set(), reason="no C compiler")
def test_a_process_that_runs_sees_the_step_and_the_way_back(tmp_path: Path) -> None:
    clock = DatabaseClock(tmp_path, settable=True)
    command = [*clock.command(), sys.executable, "-I", "-c", READ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for step in (0.0, 86_400.0, -7_200.0, 0.0):
            clock.set(step)
            process.stdin.write("now\n")
            process.stdin.flush()
            assert abs(float(process.stdout.readline()) - step - time.time()) < 60
        process.stdin.close()


def test_a_time_of_a_wrong_clock_is_taken_back(tmp_path: Path) -> None:
    clock, now = DatabaseClock(tmp_path, settable=True), time.time()
    assert (clock.touched, clock.ours(now - 5)) == (False, now - 5)
    clock.set(86_400.0)
    clock.set(0.0)
    assert clock.touched
    assert clock.ours(now + 86_400.0 - 5) == pytest.approx(now - 5, abs=0.01)
    assert clock.ours(now - 5) == now - 5
    assert (clock.was_ahead(now - 5), clock.was_ahead(now + 60)) == (0.0, 86_400.0)


def faults(clock: DatabaseClock) -> SourceFaults:
    """A round's source, as far as its judge looks at it."""
    history = SimpleNamespace(note=lambda *_, **__: None)
    installation: Any = SimpleNamespace(servers=SimpleNamespace(clock=clock), history=history)
    nothing: Any = None
    return SourceFaults(installation, nothing, nothing, nothing, Random(1), 1, [])


def test_what_the_product_said_while_the_clock_was_set_is_not_judged(tmp_path: Path) -> None:
    clock = DatabaseClock(tmp_path, settable=True)
    source = faults(clock)
    source._found(["said before"])
    source._found(one for one in [clock.set(7_200.0), "said when it was set"] if one)
    assert [one.partition(" ")[2] for one in source.untrue] == ["said before"]


@pytest.mark.parametrize(
    ("step", "twice"),
    [(-7_200.0, 0), (7_200.0, 1), (-30.0, 1)],
    ids=["back before its date", "ahead", "back to after its date"],
)
def test_a_state_that_began_once_more_by_a_clock_that_was_set_back_is_not_twice(
    tmp_path: Path, step: float, twice: int
) -> None:
    clock, now = DatabaseClock(tmp_path, settable=True), time.time()
    clock.set(step)
    clock.set(0.0)
    got: Any = [
        SimpleNamespace(version=2, at=datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"))
        for at in (now - 60, now + 5)
    ]
    verdict = Verdict()
    faults(clock)._judge_one(verdict, "store 1 o1", 2, got, {("o1", 2): now - 70}, [])
    assert verdict.twice == twice, "a step back to before its date gives it to everybody once more, and no other does"
    verdict = Verdict()
    faults(clock)._judge_one(verdict, "store 1 o1", 2, [*got, got[-1]], {("o1", 2): now - 70}, [])
    assert verdict.twice == twice + 1, "once for each step, and no more"
