"""The table of ASVS counts right, and what it points to is there."""

from __future__ import annotations

import re
from collections import Counter

from tests.architecture.tree import ROOT, text

TABLE = "docs/reference/asvs.md"
STATES = ("met", "**not met**", "not applicable")


def rows() -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text(TABLE).splitlines() if re.match(r"\| \d", line)]


def test_each_requirement_stands_once_with_a_state_and_a_reason():
    numbers = [row[0] for row in rows()]
    assert len(numbers) == len(set(numbers))
    assert all(len(row) == 5 and row[3] in STATES and row[4].strip() for row in rows())


def test_the_sum_is_that_of_the_rows():
    said = re.search(r"Of (\d+): (\d+) met, (\d+) not met, (\d+) not applicable", text(TABLE))
    assert said is not None
    counted = Counter(row[3] for row in rows())
    assert [int(one) for one in said.groups()] == [len(rows()), *(counted[state] for state in STATES)]


def test_what_it_points_to_is_there():
    paths = {path for row in rows() for path in re.findall(r"`([\w*]+/[\w./*-]+)`", row[4])}
    assert len(paths) > 20
    assert {path for path in paths if not list(ROOT.glob(path))} == set()
