"""A worker process for benchmarks: `python -m bench.worker [collect|deliver|both]`; works until SIGTERM, then prints
its counts as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from runtime.worker import loop  # noqa: E402


def main(role: str) -> None:
    shards = () if role == "collect" else None  # a collector delivers nothing
    counts = loop.run_forever(shards=shards, collect=role != "deliver", on_ready=lambda _: print("ready", flush=True))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "passed": counts.passed,
                "collected": counts.collected,
                "rounds": counts.rounds,
                "memory": usage.ru_maxrss / 1024,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(([*sys.argv, "both"])[1])
