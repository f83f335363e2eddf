"""A short run of the simulation: clean over many seeds, deterministic, and every planted bug is found within a stated
number of seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.plant_names import REAL_ONLY, WHAT
from tests.faults.plants import changed
from tests.faults.sim_rewind import RewoundWorld, rewound_shape
from tests.faults.simulation import simulate
from tests.faults.world import Shape, World

pytestmark = pytest.mark.faults

FOUND_WITHIN = 500  # seeds


def test_no_schedule_loses_doubles_disorders_or_sends_without_approval() -> None:
    report = simulate(range(1, 251))
    assert report.found == {}
    assert report.counts["messages"] > 2000
    for happened in (
        "kill",
        "kill after",
        "lose after",
        "pause",
        "restart",
        "fenced",
        "odd rows read",
        "runs over their limit",
        "sent cut",
        "sent half",
        "asked",
        "asked by reference",
        "sent slow",
        "sent 503",
        "sent outage",
        "accepted",
        "failed for ever",
        "settled by a person",
        "decision deploy",
        "decision void",
        "lanes changed",
        "targets past a change",
    ):
        assert report.counts[happened] > 5, happened
    assert report.counts["source fenced"]


def test_a_database_that_goes_back_gives_no_key_twice_and_books_nothing_twice() -> None:
    counts: Counter[str] = Counter()
    answered_meanwhile = (55, 232, 302, 415, 433, 559)
    for seed in (*range(1, 50), *answered_meanwhile):
        verdict = RewoundWorld(rewound_shape(seed)).run()
        assert verdict.clean, (seed, verdict.found())
        counts.update(verdict.counts)
    assert counts["messages lost by a rewind"] > 50
    assert counts["asked by reference"] > 20
    assert counts["answered after a rewind"], "what was answered while it went back is sent again, too"


def test_a_pause_between_lease_check_and_socket_is_on_record_where_the_vendor_cannot_help() -> None:
    report = simulate(range(1, 151), window=True)
    assert report.found == {}


def test_the_same_seed_gives_the_same_schedule() -> None:
    def trace(seed: int) -> list[str]:
        world = World(Shape.of(seed))
        world.trace = []
        world.run()
        return [f"{at:.6f} {actor} {what}" for at, actor, what, _, _ in world.trace]

    assert trace(26) == trace(26)
    assert trace(26) != trace(27)


@pytest.mark.parametrize("plant", sorted(set(WHAT) - REAL_ONLY))
def test_a_planted_bug_is_found(plant: str) -> None:
    report = simulate(range(1, FOUND_WITHIN + 1), plants=[plant], stop_at_first=True)
    assert report.found, f"{plant} ({WHAT[plant]}) was not found in {report.schedules} seeds"


@pytest.mark.parametrize("plant", sorted(WHAT))
def test_a_plant_for_real_processes_fits_the_product_as_it_is(plant: str) -> None:
    for module, attribute, text in changed(plant):
        assert text != getattr(module, attribute)


def test_without_faults_nothing_is_asked_and_nothing_waits() -> None:
    for seed in range(1, 20):
        world = World(Shape.of(seed, calm=True))
        verdict = world.run()
        assert verdict.clean, verdict.found()
        assert world.counts["fenced"] == world.counts["absorbed by the vendor's key"] == 0
