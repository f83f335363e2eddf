"""Many seeded schedules of the ledger's real code over the modelled database.

python -m tests.faults.simulation --seeds 2000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.progress import Progress

PART = 250  # seeds that a process takes at a time


def prepare() -> None:
    """Settings without a database: nothing here connects to one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("SECRET_KEY", "simulation")
    os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()


REWOUND_EVERY = 5
LANES_EVERY = 7
DROWSY_EVERY = 4
REPLAYS_EVERY = 3
REPLAYS_REWOUND_EVERY = 13
STEPPED_EVERY = 6


@dataclass(slots=True)
class Report:
    """Counts over many schedules, and what went wrong by seed."""

    schedules: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    found: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    @property
    def totals(self) -> dict[str, int]:
        kinds = ("lost", "twice", "disorder", "unauthorised", "unknown")
        return {kind: sum(len(one.get(kind, ())) for one in self.found.values()) for kind in kinds}

    def add(self, other: Report) -> None:
        self.schedules += other.schedules
        self.counts.update(other.counts)
        self.found.update(other.found)

    def facts(self, first: int) -> dict[str, Any]:
        return {
            "schedules": self.schedules,
            "seconds": round(self.seconds, 1),
            "per_second": round(self.schedules / max(0.001, self.seconds)),
            "messages": self.counts["messages"],
            **self.totals,
            "seeds": [first, first + self.schedules - 1],
            "counts": dict(sorted(self.counts.items())),
        }


def simulate(
    seeds: Iterable[int], *, plants: Iterable[str] = (), window: bool = False, stop_at_first: bool = False
) -> Report:
    """One world per seed; for every fifth seed one more whose database goes back, for every seventh one more whose
    number of lanes changes, for every fourth one more where everybody stands still now and then, and for every third
    one more with replays, for every thirteenth with both replays and rewinds, and for every sixth one more whose
    database's clock is set."""
    from tests.faults.plant_names import IN_DROWSY, IN_LANES, IN_REPLAYS, IN_REWOUND, IN_STEPPED
    from tests.faults.sim_clock import SteppedWorld, stepped_shape
    from tests.faults.sim_lanes import LaneWorld, changing_shape
    from tests.faults.sim_replays import ReplayWorld, RewoundReplayWorld, replay_after_rewind_shape, replay_shape
    from tests.faults.sim_rewind import RewoundWorld, rewound_shape
    from tests.faults.world import Shape, World

    report, planted, started = Report(), frozenset(plants), time.perf_counter()
    for seed in seeds:
        worlds = [World(Shape.of(seed, window=window), planted)]
        if (seed % REWOUND_EVERY == 0 or planted & IN_REWOUND) and not window:
            worlds.append(RewoundWorld(rewound_shape(seed), planted))
        if (seed % LANES_EVERY == 0 or planted & IN_LANES) and not window and "sequence" not in planted:
            worlds.append(LaneWorld(changing_shape(seed), planted))
        if (seed % DROWSY_EVERY == 0 or planted & IN_DROWSY) and not window:
            worlds.append(World(Shape.drowsy_of(seed), planted))
        if (seed % REPLAYS_EVERY == 0 or planted & IN_REPLAYS) and not window and "sequence" not in planted:
            worlds.append(ReplayWorld(replay_shape(seed), planted))
        if (seed % REPLAYS_REWOUND_EVERY == 0 or planted & IN_REPLAYS) and not window and "sequence" not in planted:
            worlds.append(RewoundReplayWorld(replay_after_rewind_shape(seed), planted))
        if (seed % STEPPED_EVERY == 0 or planted & IN_STEPPED) and not window:
            worlds.append(SteppedWorld(stepped_shape(seed), planted))
        report.schedules += 1
        for world in worlds:
            verdict = world.run()
            report.counts.update(verdict.counts)
            if not verdict.clean:
                report.found[seed] = report.found.get(seed, {}) | verdict.found()
        if stop_at_first and report.found:
            break
    report.seconds = time.perf_counter() - started
    return report


def _part(given: tuple[int, int, tuple[str, ...], bool]) -> Report:
    prepare()
    first, last, plants, window = given
    return simulate(range(first, last), plants=plants, window=window)


def simulate_many(
    first: int, seeds: int, *, jobs: int = 1, plants: Sequence[str] = (), window: bool = False, apart: bool = False
) -> Report:
    """Seeds `first` onwards over `jobs` processes, with a line that says how far it is. A process takes a part at a
    time and keeps nothing of it but counts, so memory does not grow with the number of seeds. `apart`: never in this
    process, which has other settings to make."""
    total, progress, begun = Report(), Progress("simulation"), time.perf_counter()
    ends = range(first, first + seeds, max(1, min(PART, -(-seeds // jobs))))
    parts = [(at, min(at + ends.step, first + seeds), tuple(plants), window) for at in ends]
    for done in _run(parts, 0 if jobs == 1 and not apart else jobs):
        total.add(done)
        found = sum(total.totals.values())
        progress.show(
            total.schedules / seeds,
            f"{total.schedules:,} schedules, {total.counts['messages']:,} messages, {found} findings",
        )
    total.seconds = time.perf_counter() - begun
    progress.clear()
    return total


def main() -> int:
    prepare()
    from tests.faults.plant_names import WHAT

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many schedules")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--plant", action="append", default=[], choices=sorted(WHAT), help="put a known bug in")
    parser.add_argument("--plants", action="store_true", help="every plant in turn, up to --seeds schedules each")
    parser.add_argument("--trace", action="store_true", help="run the first seed alone and print every step of it")
    parser.add_argument(
        "--window", action="store_true", help="pauses also between the lease check and the write to the socket"
    )
    given = parser.parse_args()
    if given.trace:
        return _trace(given.first, given.plant, given.window)
    if given.plants:
        return _every_plant(given.first, given.seeds)
    total = simulate_many(given.first, given.seeds, jobs=given.jobs, plants=given.plant, window=given.window)
    for seed, what in list(total.found.items())[:10]:
        print(f"seed {seed}: {json.dumps(what)}")
    print(json.dumps(total.facts(given.first), indent=1))
    return 1 if total.found else 0


def _run(parts: list[tuple[int, int, tuple[str, ...], bool]], jobs: int) -> Iterable[Report]:
    if not jobs:
        yield from map(_part, parts)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_part, parts)


def _trace(seed: int, plants: list[str], window: bool) -> int:
    from tests.faults.world import Shape, World

    world = World(Shape.of(seed, window=window), frozenset(plants))
    world.trace = []
    verdict = world.run()
    print(world.shape)
    for at, actor, what, given, result in world.trace:
        print(f"{at:9.3f} {actor:12} {what:20} {str(given)[:150]} -> {str(result)[:230]}")
    print(json.dumps(verdict.found(), indent=1))
    return 0 if verdict.clean else 1


def _every_plant(first: int, seeds: int) -> int:
    from tests.faults.plant_names import REAL_ONLY, WHAT

    missed = 0
    for name, what in WHAT.items():
        if name in REAL_ONLY:
            continue
        report = simulate(range(first, first + seeds), plants=[name], stop_at_first=True)
        seed = next(iter(report.found), None)
        missed += seed is None
        verdict = (
            f"found by seed {seed} ({', '.join(report.found[seed])})"
            if seed is not None
            else f"NOT FOUND in {seeds} seeds"
        )
        print(f"{name:9} {verdict:45} {what}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
