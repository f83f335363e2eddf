"""How `make test` shares the tests among its processes: by file, and the file that takes longest first.

A file stays together, so that what it builds once (an old database, a browser, a process of the sandbox) is built once;
the browser tests stay together as one. How long a file took is kept below `.state` for the next run. Without this, a
long file that starts last would run alone at the end.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECONDS = ROOT / ".state" / "seconds-by-choice.json"
TOGETHER = ("tests/browser/",)
# For a first run: folders whose tests start processes or a browser, what a test takes elsewhere, and a file with tests
# that are long by nature, where those are run.
LONG = dict.fromkeys(("tests/browser", "tests/faults", "tests/journeys", "tests/sandbox", "tests/upgrade"), 20.0)
USUAL, THOROUGH = 0.05, 60.0


def unit_of(nodeid: str) -> str:
    """The tests that stay together: a file, or a folder of `TOGETHER`."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@functools.cache
def long_by_nature(unit: str) -> bool:
    """Whether tests of it are marked `thorough` by hand."""
    place = ROOT / unit
    files = place.rglob("test_*.py") if place.is_dir() else [place]
    return any("mark.thorough" in file.read_text(encoding="utf-8") for file in files)


class Seconds:
    """What each unit took the last time, and takes this time. Another choice of tests (`-m thorough`) has seconds of
    its own: a file may be quick every day and long in that."""

    def __init__(self, chosen: str) -> None:
        self.chosen = chosen
        self.taken: Counter[str] = Counter()
        try:
            self.all: dict[str, dict[str, float]] = json.loads(SECONDS.read_text())
        except (OSError, ValueError):
            self.all = {}
        self.before = self.all.get(chosen, {})

    def expected(self, unit: str, tests: int) -> float:
        long = LONG.get("/".join(unit.split("/")[:2]), 0.0)
        if self.chosen != "not thorough" and long_by_nature(unit):
            long += THOROUGH
        return self.before.get(unit) or tests * USUAL + long

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.taken[unit_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        kept = {**self.before, **{unit: round(seconds, 2) for unit, seconds in self.taken.items()}}
        SECONDS.parent.mkdir(parents=True, exist_ok=True)
        draft = SECONDS.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(self.all | {self.chosen: kept}, indent=0, sort_keys=True))
        draft.replace(SECONDS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `--dist loadfile`; the other ways to distribute stay as they are."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    seconds = Seconds(config.getvalue("markexpr"))
    config.pluginmanager.register(seconds, "seconds-by-choice")

    class LongestFirst(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

        def _assign_work_unit(self, node: Any) -> None:
            longest = max(self.workqueue, key=lambda unit: seconds.expected(unit, len(self.workqueue[unit])))
            self.workqueue.move_to_end(longest, last=False)
            super()._assign_work_unit(node)

    return LongestFirst(config, log)
