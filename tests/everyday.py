"""Which tests `make test` leaves to the long run (`make check`), so that the everyday run ends within two minutes.

Two rules, both without chance:

- Of a parametrised test, `DATABASE` cases stay where it opens the database and `PLAIN` where it does not. They are
  chosen so that as many values of each parameter as possible are among them, over the whole width of the list.
- A test that `long_tests.txt` names is left out: a case of it costs more than `LONG` processor-seconds. Each file keeps
  its cheapest test, where that is below `MOST`. `make test ARGS=--measure` measures all tests and writes the list anew.

Of a module that says `EVERYDAY = 3`, up to three cases of each test stay, whatever they cost: so do the modules of the
promises (nobody alone, no yes without evidence, nothing lost or twice).

What is left out gets the mark `thorough`. Whoever names a file or a test runs all cases of it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

EVERY_DAY = "not thorough"
DATABASE, PLAIN, LONG = 4, 20, 0.08
MOST = 1.0  # processor-seconds: a file whose cheapest test costs more keeps none
STAYING = ("tests/architecture/",)  # almost any change can break what these hold, and landing one asks them
NAMED = Path(__file__).resolve().parent / "long_tests.txt"


def long_tests() -> frozenset[str]:
    """Test functions, each as pytest names it."""
    return frozenset(line for line in NAMED.read_text(encoding="utf-8").splitlines() if line and line[0] != "#")


def in_order(number: int) -> list[int]:
    """The places 0 to number-1; the first of them lie over the whole width: the ends, the middle, the quarters."""
    found, parts = dict.fromkeys([0, number - 1]), 2
    while parts <= 2 * number:
        found |= dict.fromkeys((number - 1) * part // parts for part in range(1, parts))
        parts *= 2
    return list(found | dict.fromkeys(range(number)))


def chosen(values: Sequence[frozenset[Any]], number: int) -> set[int]:
    """The places of `number` cases, given the values that each case has of its parameters."""
    order, picked, seen = in_order(len(values)), set[int](), set[Any]()
    while len(picked) < min(number, len(values)):
        best = max((place for place in order if place not in picked), key=lambda place: len(values[place] - seen))
        picked.add(best)
        seen |= values[best]
    return picked


def opens_the_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or "db" in getattr(item, "fixturenames", ())


def leave_out(items: Iterable[pytest.Item], long: frozenset[str]) -> None:
    """Mark what does not stay."""
    functions: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("thorough") is None:
            functions[function_of(item.nodeid)].append(item)
    for function, cases in functions.items():
        said = getattr(getattr(cases[0], "module", None), "EVERYDAY", None)
        usual = 0 if function in long else DATABASE if opens_the_database(cases[0]) else PLAIN
        number = usual if said is None else said
        if number < len(cases):
            kept = chosen([_values(case) for case in cases], number)
            for place, case in enumerate(cases):
                if place not in kept:
                    case.add_marker("thorough")


def function_of(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _values(case: pytest.Item) -> frozenset[Any]:
    call = getattr(case, "callspec", None)
    return frozenset(call.indices.items()) if call else frozenset()


def too_long(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """The functions of which a case usually costs more than `LONG`, but the cheapest function of each file."""
    usual = {one: statistics.median(taken) for one, taken in seconds.items() if not one.startswith(STAYING)}
    cheapest: dict[str, str] = {}
    for function in sorted(usual, key=usual.__getitem__):
        cheapest.setdefault(function.partition("::")[0], function)
    stay = {function for function in cheapest.values() if usual[function] <= MOST}
    return sorted(one for one in usual if usual[one] > LONG and one not in stay)


def named_anew(seconds: Mapping[str, Sequence[float]], before: Iterable[str]) -> list[str]:
    """What `long_tests.txt` holds after a measuring: of files that were not measured, what it held before."""
    measured = {function.partition("::")[0] for function in seconds}
    return sorted({*too_long(seconds), *(one for one in before if one.partition("::")[0] not in measured)})


class Everyday:
    """The plugin of a run that leaves the long tests out, and says how many; and of one that runs those alone."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.left, self.all = config, 0, 0
        self.everyday = config.getoption("markexpr") == EVERY_DAY

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.all = len(items)
        named = any("::" in one or one.endswith(".py") for one in self.config.args)
        if not (self.everyday and named):
            leave_out(items, long_tests())

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.left += sum(item.get_closest_marker("thorough") is not None for item in items)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["left"] = (self.left, self.all)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.left, self.all = getattr(node, "workeroutput", {}).get("left", (self.left, self.all))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.left and self.everyday:
            terminalreporter.write_sep("=", f"{self.left:,} of {self.all:,} tests are left to the long run: make check")


class Measuring:
    """The plugin of `--measure`: what each test costs of processors, here, in processes that it waits for, and in the
    sessions of its database. Other work on the machine makes it no longer, unlike the clock."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.seconds = config, defaultdict[str, list[float]](list)
        self.sessions: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        answer = yield
        item.user_properties.append(("processor", self._spent() - self.before))
        return answer

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.before = self._spent()

    def _spent(self) -> float:
        here = time.process_time() + sum(os.times()[2:4])  # of children that it has waited for
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdecimal() and self._database() in (process / "cmdline").read_bytes():
                    self.sessions[process.name] = int((process / "schedstat").read_text().split()[0]) / 1e9
            except OSError:  # it has ended meanwhile
                continue
        return here + sum(self.sessions.values())

    def _database(self) -> bytes:
        from django.db import connection

        settings = connection.settings_dict
        return f"postgres: {settings['USER']} {settings['NAME']} ".encode()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            spent = dict(report.user_properties).get("processor", 0.0)
            self.seconds[function_of(report.nodeid)].append(float(spent))

    def pytest_sessionfinish(self) -> None:
        if not hasattr(self.config, "workerinput"):
            head = f"# Tests of which a case costs more than {LONG} processor-seconds (tests/everyday.py).\n"
            lines = "".join(f"{one}\n" for one in named_anew(self.seconds, long_tests()))
            NAMED.write_text(head + lines, encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--measure", action="store_true", help="run every case and write tests/long_tests.txt anew")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--measure"):
        config.pluginmanager.register(Measuring(config), "measuring")
    elif "thorough" in config.getoption("markexpr"):
        config.pluginmanager.register(Everyday(config), "everyday")
