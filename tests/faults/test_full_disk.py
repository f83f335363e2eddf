"""A really full disk below all of PostgreSQL, twice: tables find no room, then the write-ahead log finds none and the
server ends itself. Tills hand in over HTTP meanwhile (`full_disk.py`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT
from tests.faults import full_disk

EVERYDAY = 0  # an installation of its own, a minute and a half
pytestmark = pytest.mark.thorough
GOOD_WITHIN = 5.0  # seconds after there is room: R10


def test_a_full_disk_is_503_with_a_time_and_nothing_is_half_written_and_it_recovers_by_itself() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PG"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.full_disk"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode == full_disk.NOT_MOUNTED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert set(found["statuses"]) == {"202", "503"}, found
    assert found["without Retry-After"] == 0
    whole = str(full_disk.BATCH)
    assert set(found["taken, by messages in the log"]) == {whole}
    assert set(found["left, by messages in the log"]) <= {"0", whole}, "a batch is stored as a whole or not at all"
    assert found["left, by messages in the log"]["0"] > 0
    assert (found["twice"], found["without its head"], found["the web server runs"]) == (0, 0, True)
    tables, log = found["spells"]
    assert (tables["ended"], log["ended"]) == (False, True)
    for spell in (tables, log):
        assert spell["told"]["503"] > full_disk.TILLS, "it was full"
        assert all(0 < seconds < GOOD_WITHIN for seconds in spell["good"]), spell
