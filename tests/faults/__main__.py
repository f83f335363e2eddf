"""The whole proof in one run: the simulation, then real processes, then a table.

    make faults ARGS="--minutes 35 --seed 1"
    make faults ARGS="--minutes 45 --first-seed 200 --schedules 0"     (real processes alone)
    make faults ARGS="--sum .state/faults/A .state/faults/B"           (several runs as one table)

The log of every round and every injection stays in the folder that is named at the end. Exit code 1 when anything was
found.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import simulation
from tests.faults.campaign import Total, attack
from tests.faults.injections import Options
from tests.faults.judge import Verdict

ROOT = Path(__file__).resolve().parents[2]


def table(simulated: simulation.Report, real: Total) -> str:
    """Both parts and their sum, one line each."""
    left = dict.fromkeys(Verdict.KINDS, 0) | simulated.totals
    right = {kind: real.counts[kind] for kind in Verdict.KINDS}
    words = ("lost", "twice", "out of order", "unauthorised", "unknown left", "untrue", "held up")
    rows = [
        ("", "schedules", "messages", *words, "minutes"),
        (
            "simulation",
            simulated.schedules,
            simulated.counts["messages"],
            *left.values(),
            round(simulated.seconds / 60, 1),
        ),
        ("real processes", real.rounds, real.messages, *right.values(), round(real.seconds / 60, 1)),
        (
            "together",
            simulated.schedules + real.rounds,
            simulated.counts["messages"] + real.messages,
            *(left[kind] + right[kind] for kind in Verdict.KINDS),
            round((simulated.seconds + real.seconds) / 60, 1),
        ),
    ]
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def added(folders: list[Path]) -> tuple[simulation.Report, Total]:
    """Several runs as one. A run that was ended before its end counts as far as it came."""
    simulated, real = simulation.Report(), Total(0)
    for folder in folders:
        if (path := folder / "simulation.json").exists():
            facts = json.loads(path.read_text())
            part = simulation.Report(facts["schedules"], facts["seconds"], Counter(facts["counts"]))
            part.found = {int(seed): what for seed, what in facts["found"].items()}
            simulated.add(part)
            simulated.seconds += part.seconds
        if (path := folder / "real.json").exists():
            real.add_facts(json.loads(path.read_text()))
    return simulated, real


def shown(real: Total) -> str:
    """What was broken, and how often, in words."""
    broken = ", ".join(f"{kind} {count:,}" for kind, count in sorted(real.injected.items()))
    said = ", ".join(f"{what} {count:,}" for what, count in sorted(real.said.items()))
    return f"injected: {broken}\nasked: {said}\n{real.dirty} of {real.rounds} rounds found something"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=35.0, help="of real processes; the simulation comes before")
    parser.add_argument("--seed", "--first-seed", type=int, default=1, help="the first seed of both parts")
    parser.add_argument("--schedules", type=int, default=90_000, help="simulated schedules, about 11 messages each")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the simulation")
    parser.add_argument("--folder", type=Path, help="where the log goes (default: .state/faults/<time>)")
    parser.add_argument("--sum", type=Path, nargs="+", metavar="FOLDER", help="only add up runs that are over")
    given = parser.parse_args()
    if given.sum:
        before = added(given.sum)
        print(f"{table(*before)}\n{shown(before[1])}")
        return 1 if before[0].found or before[1].dirty else 0
    folder = given.folder or ROOT / ".state" / "faults" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    simulated = simulation.simulate_many(given.seed, given.schedules, jobs=given.jobs, apart=True)
    print(json.dumps(simulated.facts(given.seed)), flush=True)
    (folder / "simulation.json").write_text(
        json.dumps(simulated.facts(given.seed) | {"found": simulated.found}, indent=1)
    )
    real = attack(folder, Options(), minutes=given.minutes, first=given.seed)
    summary = {"simulation": simulated.facts(given.seed), "real": real.facts()}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(real.facts()))
    print(f"{table(simulated, real)}\n{shown(real)}")
    print(f"log: {folder}")
    return 1 if simulated.found or real.dirty else 0


if __name__ == "__main__":
    sys.exit(main())
