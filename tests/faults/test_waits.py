"""How the campaign judges what tills had to wait: by the goals, and only where nothing else was broken."""

from __future__ import annotations

import pytest

from tests.faults import waits
from tests.faults.judge import Verdict
from tests.faults.waits import Spell, TillCall

SPELL = Spell("restarts", 100.0, 103.0)
WELL = [TillCall("202", 99.0, 99.1), TillCall("503", 100.5, 100.6), TillCall("202", 103.2, 103.4)]


def held_up(calls: list[TillCall], spells: list[Spell] | None = None, disturbed: tuple[float, ...] = ()) -> list[str]:
    verdict = Verdict()
    waits.judge(verdict, spells or [SPELL], [calls], disturbed)
    return verdict.examples["held_up"]


def test_a_till_that_is_answered_well_in_time_is_no_news() -> None:
    assert held_up(WELL) == []


def test_a_till_that_never_is_answered_well_again_is_found() -> None:
    assert "not answered well for 7.1 s" in held_up([*WELL[:2], TillCall("503", 104.0, 110.1)])[0]


def test_two_calls_of_one_till_that_fail_afterwards_are_found_and_one_is_not() -> None:
    failed = [TillCall("503", 103.1, 103.2), TillCall("none", 103.3, 103.5)]
    good = TillCall("202", 104.0, 104.1)
    assert "2 calls of till 0 failed" in held_up([*WELL[:2], *failed, good])[0]
    assert held_up([*WELL[:2], failed[0], good]) == []


@pytest.mark.parametrize(
    ("calls", "spells", "disturbed"),
    [
        (WELL[:2], None, ()),
        ([TillCall("none", 96.0, 99.0), TillCall("503", 104.0, 110.1)], None, ()),
        ([*WELL[:2], TillCall("503", 104.0, 110.1)], None, (105.0,)),
        ([*WELL[:2], TillCall("503", 104.0, 110.1)], [Spell("restarts", 100.0)], ()),
    ],
    ids=["it has handed in everything", "not answered before", "something else was broken", "it is not over"],
)
def test_what_says_nothing_is_not_judged(
    calls: list[TillCall], spells: list[Spell] | None, disturbed: tuple[float, ...]
) -> None:
    assert held_up(calls, spells, disturbed) == []


def test_after_a_step_of_the_clock_a_lease_may_pass() -> None:
    calls = [*WELL[:2], TillCall("202", 112.0, 112.5)]
    assert held_up(calls, [Spell("clock", 100.0, 103.0)]) == []
    assert held_up(calls)
