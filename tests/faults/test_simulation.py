"""A short run of the simulation: clean over many seeds, deterministic, and every planted bug is found within a stated
number of seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.__main__ import table
from tests.faults.campaign import Total
from tests.faults.plant_names import REAL_ONLY, WHAT
from tests.faults.plants import changed
from tests.faults.sim_clock import SteppedWorld, stepped_shape
from tests.faults.sim_lanes import LaneWorld, changing_shape
from tests.faults.sim_replays import ReplayWorld, RewoundReplayWorld, replay_after_rewind_shape, replay_shape
from tests.faults.sim_rewind import RewoundWorld, rewound_shape
from tests.faults.simulation import Report, simulate
from tests.faults.world import Shape, World

pytestmark = pytest.mark.faults

FOUND_WITHIN = 500  # seeds
EVERYDAY = 6  # seeds are searched through: half a second for each bug


# Where each plant was found last: these seeds are tried first. One that does not show there any more is looked for.
SHOWS_AT = {
    "clock_history": 12,
    "clock_first": 1901886,
    "clock_sent": 659,
    "clock_since": 288,
    "forgetful": 26,
    "hasty": 79,
    "hindsight": 54,
    "hurried": 144,
    "leaving": 396,
    "new_key": 7,
    "nosettle": 12,
    "outside": 12,
    "rekeyed": 108,
    "short_pause": 1051250,
    "side_by_side": 818,
    "shrug": 39,
    "token": 24,
    "trusting": 34,
    "unbounded": 33,
    "unwaiting": 2047,
}


@pytest.mark.parametrize(
    ("seeds", "messages", "often"), [(50, 500, 0), pytest.param(250, 2000, 5, marks=pytest.mark.thorough)]
)
def test_no_schedule_loses_doubles_disorders_or_sends_without_approval(seeds: int, messages: int, often: int) -> None:
    report = simulate(range(1, seeds + 1))
    assert report.found == {}
    assert report.counts["messages"] > messages
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
        assert report.counts[happened] > often, happened
    assert report.counts["source fenced"]


def test_a_database_that_goes_back_gives_no_key_twice_and_books_nothing_twice() -> None:
    counts: Counter[str] = Counter()
    answered_meanwhile, stood_still = (55, 232, 302, 415, 433, 559), (1051250,)
    for seed in (*range(1, 50), *answered_meanwhile, *stood_still):
        verdict = RewoundWorld(rewound_shape(seed)).run()
        assert verdict.clean, (seed, verdict.found())
        counts.update(verdict.counts)
    assert counts["messages lost by a rewind"] > 50
    assert counts["asked by reference"] > 20
    assert counts["answered after a rewind"], "what was answered while it went back is sent again, too"


def test_replays_under_load_send_once_what_is_missing_and_dry_runs_reach_nobody() -> None:
    counts: Counter[str] = Counter()
    found_once = (18, 163, 423, 818, 1422153, 1430312, 1720386)  # where the worlds with replays once found something
    for seed in (*range(1, 13), *found_once):
        for world in (ReplayWorld(replay_shape(seed)), RewoundReplayWorld(replay_after_rewind_shape(seed))):
            verdict = world.run()
            assert verdict.clean, (seed, type(world).__name__, verdict.found())
            counts.update(verdict.counts)
    for happened in (
        "replays",
        "replays cancelled",
        "replays gone",
        "dry runs",
        "lost by the vendor",
        "rewinds",
        "kill",
    ):
        assert counts[happened] > 1, happened


def test_a_question_without_an_answer_makes_nothing_of_a_lost_owner_a_first_try() -> None:
    """The one double send of 50,000 messages after which this was looked at."""
    verdict = LaneWorld(changing_shape(1102416)).run()
    assert verdict.clean, verdict.found()


def test_a_key_that_is_forgotten_while_a_worker_stands_still_before_it_asks_proves_nothing() -> None:
    assert simulate((1737652,)).found == {}


def test_a_clock_that_is_set_doubles_nothing_and_stops_nothing_for_long() -> None:
    counts: Counter[str] = Counter()
    stood_still = 1527852  # the scheduler, while it moved what was stored before a step
    lost_at_once = 1641510  # a worker lost the database at its first look, and claimed without one
    stored_since = 1809078  # what may be sent until the end of a lease, stored after a step back
    sent_ahead = 1901886  # a first send that a worker read before it was moved
    for seed in (*range(1, 35), stood_still, lost_at_once, stored_since, sent_ahead):
        verdict = SteppedWorld(stepped_shape(seed)).run()
        assert verdict.clean, (seed, verdict.found())
        counts.update(verdict.counts)
    assert counts["clock set ahead"] > 10
    assert counts["clock set back"] > 10


@pytest.mark.parametrize("seeds", [40, pytest.param(150, marks=pytest.mark.thorough)])
def test_a_pause_between_lease_check_and_socket_is_on_record_where_the_vendor_cannot_help(seeds: int) -> None:
    report = simulate(range(1, seeds + 1), window=True)
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
    seeds = range(1, FOUND_WITHIN + 1)
    first = SHOWS_AT.get(plant, 1)
    report = simulate((first, *(seed for seed in seeds if seed != first)), plants=[plant], stop_at_first=True)
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


def test_the_table_of_a_run_has_a_column_for_each_kind_of_finding() -> None:
    head, *rows = table(Report(), Total(0)).splitlines()
    assert len(rows) == 3
    assert "held up" in head
