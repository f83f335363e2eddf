"""Sling loads the same orders from a file, inserting and updating by key.

Run by `bench.sync` in an environment of its own that has `sling-linux-amd64` (the wheel with the program in it; the
package `sling` alone would fetch the program when it is first used); prints one JSON line.

python bench/peer_sling.py orders.jsonl|orders.csv postgresql://… TABLE [UPDATE_KEY]
"""

import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

file, database, table, *update_key = sys.argv[1:5]
packages = Path(sysconfig.get_paths()["purelib"])
programs = sorted(packages.glob("sling_*/bin/sling-*"))
if not programs:
    raise SystemExit(f"no Sling in {packages}: pip install sling-linux-amd64")
options = {"format": "csv"} if file.endswith(".csv") else {"format": "jsonlines", "flatten": True}
command = [str(programs[0]), "run", "--src-stream", f"file://{file}", "--src-options", json.dumps(options)]
command += ["--tgt-conn", "PEER_TARGET", "--tgt-object", table, "--mode", "incremental", "--primary-key", "id"]
command += ["--update-key", *update_key] if update_key else []

with tempfile.TemporaryDirectory(prefix="bench-sling-") as home:
    started = time.perf_counter()
    done = subprocess.run(
        command,
        env=dict(
            os.environ,
            HOME=home,
            SLING_HOME_DIR=home,
            SLING_DISABLE_TELEMETRY="TRUE",
            PEER_TARGET=f"{database}?sslmode=disable",
        ),
        capture_output=True,
        text=True,
    )
    wall = time.perf_counter() - started
if done.returncode:
    raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(
    json.dumps(
        {
            "wall": wall,
            "cpu": used.ru_utime + used.ru_stime,
            "memory": used.ru_maxrss / 1024,
            "version": (programs[0].parent / "VERSION").read_text().strip(),
        }
    )
)
