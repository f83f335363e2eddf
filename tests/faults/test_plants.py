"""Planted bugs fit the product as it is: each replacement is called as what it replaces, and does what it is to do."""

from __future__ import annotations

import inspect
from typing import Any

import psycopg
import pytest

from runtime.ledger import connections
from runtime.ledger.append import IncomingMessage, append
from tests.faults import plants
from tests.faults.database_faults import KINDS as DATABASES
from tests.faults.injections import CALM, Options
from tests.faults.judge import Verdict
from tests.faults.one_by_one import AT_LEAST, is_found, options_of
from tests.faults.plant_names import FOUND_BY, REAL_ONLY, SHOWN_AS, WHAT
from tests.faults.vendor_faults import KINDS, SOURCES
from tests.runtime import make

pytestmark = pytest.mark.faults
REPLACED = [
    (name, module, attribute, value)
    for group in (plants.SIMULATED, plants.PROCESSES)
    for name, places in sorted(group.items())
    for module, attribute, value in places
    if callable(value)
]


def shape(function: Any) -> list[Any]:
    """How it may be called."""
    if isinstance(function, type):
        return []
    given = inspect.signature(function).parameters.values()
    return [len([one for one in given if one.kind is one.POSITIONAL_OR_KEYWORD])]


@pytest.mark.parametrize(
    ("name", "module", "attribute", "value"),
    REPLACED,
    ids=[f"{name}-{attribute}" for name, _, attribute, _ in REPLACED],
)
def test_a_plant_is_called_as_what_it_replaces(name: str, module: Any, attribute: str, value: Any) -> None:
    takes = inspect.signature(value).parameters.values()
    if any(one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL) for one in takes):
        return
    assert shape(value) == shape(getattr(module, attribute)), name


@pytest.mark.django_db(transaction=True)
def test_numbers_that_are_taken_like_those_of_a_sequence_are_gone_with_a_transaction_that_fails(
    ledger: connections.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, attribute, value in plants.PROCESSES["sequence"]:
        monkeypatch.setattr(module, attribute, value)
    flow = make.Flow(ledger, lanes=1)
    append(ledger, flow.ref, [IncomingMessage("a", 1, b"{}")])
    with ledger.transaction():
        append(ledger, flow.ref, [IncomingMessage("b", 1, b"{}")])
        raise psycopg.Rollback
    append(ledger, flow.ref, [IncomingMessage("c", 1, b"{}")])
    places = ledger.execute("select key, position from runtime_message order by position").fetchall()
    assert places == [("a", 1), ("c", 3)]


def test_each_plant_that_real_processes_show_names_the_fault_that_shows_it() -> None:
    assert set(FOUND_BY) >= REAL_ONLY
    assert set(FOUND_BY) <= set(WHAT)
    assert {kind for kinds in FOUND_BY.values() for kind in kinds} <= {*KINDS, *SOURCES, *DATABASES}
    assert set(DATABASES) <= {kind for name in FOUND_BY for kind in FOUND_BY[name]}


def test_a_round_is_long_enough_for_the_fault_that_shows_a_plant() -> None:
    """A step of the clock comes when the scheduler is there: a round of 30 batches is over before."""
    base = Options(**CALM, batches=30)
    assert options_of(base, "clock_history", plants=True).batches == AT_LEAST["clock"]
    assert options_of(base, "roomless", plants=True).batches == 30


def test_a_slow_machine_is_not_taken_for_a_plant_that_sends_twice() -> None:
    slow, twice = Verdict(), Verdict()
    slow.add("unknown", "work did not come to rest")
    twice.add("twice", "loyalty-bonus 1 2 times")
    assert [is_found("new_key", verdict) for verdict in (slow, twice)] == [False, True]
    assert is_found("clock_history", slow)
    assert set(SHOWN_AS) <= set(FOUND_BY)
