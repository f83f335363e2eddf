"""Goal P5: comparison of stored contracts, beside Redocly CLI `diff` in the same run.

    python bench/contracts.py [--shared DIR] [--redocly PATH] [--rounds N] [--log FILE]

Ours starts from stored canonical JSON and ends with the findings: parse, digests, compare. Redocly starts from the JSON
files and ends with its report; its own figure ("processed in … ms", start-up left out) is taken as well as the wall
time. Rounds alternate; medians are printed. `--redocly` names the executable of a throw-away installation (`npm install
@redocly/cli`). The growth table multiplies one pair (every component and path n times) and shows whether the cost stays
in proportion.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tillgate_contracts.compare import compare
from tillgate_contracts.reading import Document, read_file

PAIRS = (
    ("adyen/checkout-v71.json", "adyen/checkout-v72.json", 0.58),
    ("adyen/checkout-v70.json", "adyen/checkout-v71.json", 0.58),
    ("adyen/transfer-v3.json", "adyen/transfer-v4.json", None),
    ("adyen/payment-v52.json", "adyen/payment-v68.json", None),
    ("klaviyo/stable-2023-02-22.json", "klaviyo/stable-2023-10-15.json", None),
    ("talon-one/openapi-v10.0.0.yaml", "talon-one/openapi-v25.17.0.yaml", 0.80),
)
AS_OF = dt.date(2026, 11, 23)
_PROCESSED = re.compile(r"processed in (\d+)ms")


def ours(base: bytes, revision: bytes) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds and the verdict with its counts, from canonical bytes to findings."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = compare(Document.from_canonical(base), Document.from_canonical(revision), as_of=AS_OF)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, f"{result.breaking}/{result.warnings}/{result.compatible}"


def redocly(program: str, base: Path, revision: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the program's own figure in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    done = subprocess.run([program, "diff", str(base), str(revision)], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = _PROCESSED.search(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(found[1]) / 1000 if found else float("nan")


def multiplied(tree: dict[str, Any], times: int) -> dict[str, Any]:
    """The same API n times over: components, references and paths with a number each."""
    text = json.dumps(tree)
    found: dict[str, Any] = json.loads(text)
    schemas = tree["components"]["schemas"]
    found["components"]["schemas"], found["paths"] = {}, {}
    for index in range(times):
        copy = json.loads(text.replace('"#/components/schemas/', f'"#/components/schemas/N{index}'))
        for name in schemas:
            found["components"]["schemas"][f"N{index}{name}"] = copy["components"]["schemas"][name]
        for path, item in copy["paths"].items():
            found["paths"][f"/n{index}{path}"] = item
    return found


def measure(root: Path, program: str | None, rounds: int, log: list[str]) -> None:
    print(
        f"{'pair':54} {'kB':>5} {'ours s':>7} {'cpu':>6} {'goal':>5} {'redocly s':>9} {'own':>6} {'cpu':>6} "
        f"{'ratio':>6}  findings"
    )
    for base, revision, goal in PAIRS:
        stored = [read_file(root / name).canonical for name in (base, revision)]
        rows: list[tuple[float, ...]] = []
        counts = ""
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, data in zip((base, revision), stored, strict=True):
                files.append(Path(folder) / (Path(name).stem + ".json"))
                files[-1].write_bytes(data)
            for _ in range(rounds):
                wall, cpu, counts = ours(*stored)
                peer = redocly(program, files[0], files[1]) if program else (float("nan"),) * 3
                rows.append((wall, cpu, *peer))
                log.append(json.dumps({"pair": [base, revision], "ours": [wall, cpu], "redocly": list(peer)}))
        wall, cpu, peer_wall, peer_cpu, peer_own = (statistics.median(column) for column in zip(*rows, strict=True))
        name = f"{base} -> {Path(revision).stem}"
        print(
            f"{name:54} {len(stored[1]) // 1000:5} {wall:7.3f} {cpu:6.3f} {goal or '':>5} {peer_wall:9.3f} "
            f"{peer_own:6.3f} "
            f"{peer_cpu:6.3f} {peer_own / wall:6.1f}  {counts}"
        )


def growth(root: Path, log: list[str]) -> None:
    trees = [orjson.loads(read_file(root / name).canonical) for name in PAIRS[0][:2]]
    print("\ngrowth: checkout v71 -> v72, n times over")
    for times in (1, 2, 4, 8):
        stored = [orjson.dumps(multiplied(tree, times)) for tree in trees]
        rows = [ours(*stored) for _ in range(3)]
        wall = statistics.median(row[0] for row in rows)
        log.append(json.dumps({"growth": times, "ours": [row[:2] for row in rows]}))
        size = len(stored[1])
        print(f"  x{times}: {size / 1e6:5.1f} MB  {wall:6.3f} s  {wall / (size / 1e6):6.3f} s per MB  {rows[0][2]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared")
    parser.add_argument("--redocly", help="executable of Redocly CLI; without it only our own figures are measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log", help="file for the raw figures, one JSON line each")
    options = parser.parse_args()
    shared = Path(options.shared or os.environ.get("TILLGATE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    log: list[str] = []
    measure(shared / "data/specs", options.redocly, options.rounds, log)
    growth(shared / "data/specs", log)
    if options.log:
        Path(options.log).write_text("\n".join(log) + "\n")


if __name__ == "__main__":
    main()
