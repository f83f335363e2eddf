"""What the everyday run leaves to the long one, and that it says so (`tests/everyday.py`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import everyday

ROOT = Path(__file__).resolve().parent.parent


def test_the_cases_that_stay_lie_over_the_whole_width() -> None:
    assert everyday.in_order(1) == [0]
    assert everyday.in_order(5) == [0, 4, 2, 1, 3]
    assert sorted(everyday.in_order(300)) == list(range(300))
    assert everyday.chosen([frozenset({("case", place)}) for place in range(101)], 4) == {0, 25, 50, 100}


def test_each_value_of_each_parameter_is_among_the_cases_that_stay() -> None:
    cases = [frozenset({("row", row), ("column", column)}) for row in range(4) for column in range(3)]
    kept = everyday.chosen(cases, 4)
    assert len(kept) == 4
    assert frozenset().union(*(cases[place] for place in kept)) == frozenset().union(*cases)


def test_a_file_keeps_its_cheapest_test_up_to_a_second() -> None:
    seconds = {"a.py::one": [9.0], "a.py::two": [0.9, 0.1, 3.0], "b.py::one": [0.01], "b.py::two": [0.2, 0.2, 0.01]}
    seconds |= {"c.py::one": [3.0], "tests/architecture/tree.py::one": [3.0], "tests/architecture/tree.py::two": [9.0]}
    assert everyday.too_long(seconds) == ["a.py::one", "b.py::two", "c.py::one"]


def test_measuring_a_part_leaves_the_list_of_the_others_alone() -> None:
    seconds = {"a.py::one": [9.0], "a.py::two": [0.01]}
    assert everyday.named_anew(seconds, ["a.py::two", "b.py::one"]) == ["a.py::one", "b.py::one"]


CASES = """
import pytest

{said}

@pytest.mark.parametrize("case", range(30))
def test_many(case):
    assert case < 30
"""


def run(folder: Path, *arguments: str, said: str = "") -> str:
    """What pytest says of thirty cases in a folder that is named, or in their file where that is named."""
    (folder / "test_cases.py").write_text(CASES.format(said=said))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = thorough: long\n")
    plugins = ("-p", "no:django", "-p", "tests.everyday", "-p", "no:cacheprovider")
    given = arguments if any(one.startswith("test_cases") for one in arguments) else (*arguments, ".")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", ".", *plugins, *given],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said", "ran"),
    [
        (("-m", "not thorough", "-n0"), "", 20),
        (("-m", "not thorough", "-n2"), "", 20),
        (("-m", "not thorough", "-n0"), "EVERYDAY = 7", 7),
        (("-m", "thorough", "-n0"), "", 10),
        (("-m", "", "-n0"), "", 30),
        (("-m", "not thorough", "-n0", "test_cases.py"), "", 30),
        (("-m", "not thorough", "-n0", "test_cases.py::test_many"), "", 30),
    ],
)
def test_what_ran_and_what_is_left_is_said(tmp_path: Path, arguments: tuple[str, ...], said: str, ran: int) -> None:
    printed = run(tmp_path, *arguments, said=said)
    assert f"{ran} passed" in printed, printed
    told = f"{30 - ran} of 30 tests are left to the long run: make check"
    assert (told in printed) == (ran in (20, 7)), printed
