"""The start of `tillgate check`: CPU of a whole process that asks a gate and reads its verdict, beside a bare Python.

    python -m bench.command_line [--rounds 15]

The gate is a server in this process that answers at once, over plain HTTP and over TLS. The rounds alternate; medians.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.witness import FaultyGate
from tests.faults.certificates import Certificates

CLI = Path(__file__).resolve().parents[1] / "cli"
WORDS = "check --application web-shop --version 1 --environment production --consumes price-api@v2"


def spent(*command: str) -> tuple[float, float]:
    """CPU and wall milliseconds of one process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-I", *command], check=True, stdout=subprocess.DEVNULL)
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used * 1000, elapsed * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates.make(Path(folder))
        with FaultyGate().running() as plain, FaultyGate(tls=certificates.context()).running() as secure:
            start = f"import sys; sys.path.insert(0, {str(CLI)!r}); from tillgate.main import main; sys.exit(main())"
            ask = ("-c", start, *WORDS.split(" "), "--url")
            commands = {
                "python -c pass": ("-c", "pass"),
                "check over http": (*ask, plain.url),
                "check over https": (*ask, secure.url, "--ca-file", str(certificates.authority)),
            }
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
            for _ in range(rounds):
                for name, command in commands.items():
                    taken[name].append(spent(*command))
    for name, pairs in taken.items():
        cpu, wall = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name:<18} CPU {cpu:5.0f} ms, wall {wall:5.0f} ms (median of {rounds})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
