"""The clock of a server that the campaign sets: a process that runs sees it, and what it stored is taken back."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.database_clock import DatabaseClock, can_be_set

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
