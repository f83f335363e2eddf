"""The whole proof in one run: the simulation, then real processes, then a table.

    make faults ARGS="--minutes 35 --seed 1"

The log of every round and every injection stays in the folder that is named at the end. Exit code 1 when anything was
found.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.faults import simulation
from tests.faults.campaign import Total, attack
from tests.faults.injections import Options
from tests.faults.judge import Verdict

ROOT = Path(__file__).resolve().parents[2]


def table(simulated: simulation.Report, real: Total) -> str:
    """Both parts and their sum, one line each."""
    left = simulated.totals
    right = {kind: real.counts[kind] for kind in Verdict.KINDS}
    rows = [
        ("", "schedules", "messages", *("lost", "twice", "out of order", "unauthorised", "unknown left"), "minutes"),
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=35.0, help="of real processes; the simulation comes before")
    parser.add_argument("--seed", type=int, default=1, help="the first seed of both parts")
    parser.add_argument("--schedules", type=int, default=115_000, help="simulated schedules, about 9 messages each")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the simulation")
    parser.add_argument("--folder", type=Path, help="where the log goes (default: .state/faults/<time>)")
    given = parser.parse_args()
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
    print(table(simulated, real))
    print(f"log: {folder}")
    return 1 if simulated.found or real.dirty else 0


if __name__ == "__main__":
    sys.exit(main())
