"""`make bench`: every measurement after the other, each in its own process, output kept below `bench/.raw`.

Figures that last go into docs/benchmarks.md by hand, with date and command, also when a goal is missed.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS: tuple[tuple[str, ...], ...] = (
    ("bench.contract_accuracy",),
    ("bench.contracts",),
    ("bench.lint_rules",),
    ("bench.mapping",),
    ("bench.sync",),
    ("bench.odata",),
    ("bench.small_jobs",),
    ("bench.intake",),
    ("bench.outages",),
    ("bench.web_servers",),
    ("bench.fanout",),
    ("bench.at_size",),
    ("bench.refresh",),
    ("bench.evidence",),
    ("bench.command_line",),
    ("bench.retention",),
    ("bench.people",),
    ("bench.catalog", "--apis", "10000"),
    ("bench.catalog", "--apis", "30000"),
)


def main() -> int:
    folder = ROOT / "bench" / ".raw"
    folder.mkdir(exist_ok=True)
    failed = []
    for number, (module, *arguments) in enumerate(RUNS, 1):
        log = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{module.rpartition('.')[2]}.log"
        print(f"[{number} of {len(RUNS)}] {module} {' '.join(arguments)} → {log.relative_to(ROOT)}", flush=True)
        with log.open("w") as out:
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
            )
        print(log.read_text().rstrip()[-2500:], flush=True)
        if done.returncode:
            failed.append(module)
    print("failed: " + ", ".join(failed) if failed else "all measured")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
