"""Rows that a CPU second of reading brings, OData V2 and V4: by position (connector alone, pages to records), and by
the links of the service through dlt's REST client in the same run.

    python -m bench.odata [--rows 100000] [--page 1000] [--rounds 3] [--peers FOLDER]

Both sides keep key and stamp of each row and load nothing. The server's CPU counts for nobody.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.installation import free_port
from bench.peers import closed_environment, python_of
from bench.rows import row

VERSIONS = ("v2", "v4")


@contextmanager
def server(count: int, size: int) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "bench.odata_server", str(port), str(count), str(size)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def read(base: str, version: str) -> dict[str, Any]:
    """The whole set by the connector, as a run reads it: rows and CPU seconds of this process."""
    from runtime.connectors.protocols import CallContext
    from runtime.connectors.registry import open_source

    settings = {"base_url": base, "service": version, "entity_set": "Rows", "key_fields": ["id"], "changed": "changed"}
    source: Any = open_source(f"odata_{version}", {**settings, "csrf": False, "stamps": {"ahead": 366 * 86_400}})
    spent, found, cursor, done = _cpu(), dict[str, str | None](), None, False
    while not done:
        page = source.read(cursor, call=CallContext())
        found.update((record.key, record.version) for record in page.records)
        cursor, done = page.cursor, page.done
    used = _cpu() - spent
    source.close()
    return {"rows": len(found), "cpu": used}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peer(python: Path, base: str, version: str, folder: Path) -> dict[str, Any]:
    script = Path(__file__).parent / "peer_dlt_odata.py"
    environment = closed_environment(folder)
    done = subprocess.run([str(python), str(script), base, version], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"dlt failed: {done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def main() -> None:
    import os
    import tempfile

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ.setdefault("EGRESS_SYSTEMS", "private loopback")
    django.setup()
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--page", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    python = python_of(given.peers, "dlt") if given.peers else None
    rates: dict[str, list[float]] = {}
    with server(given.rows, given.page) as base, tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for version in VERSIONS:
                found = {"product": read(base, version)}
                if python:
                    found["dlt"] = peer(python, base, version, Path(folder))
                for who, one in found.items():
                    if one["rows"] != given.rows:
                        raise SystemExit(f"{who} read {one['rows']} of {given.rows} rows of {version}")
                    rates.setdefault(f"{who} {version}", []).append(one["rows"] / one["cpu"])
    for version in VERSIONS:
        ours = statistics.median(rates[f"product {version}"])
        others = rates.get(f"dlt {version}")
        other = statistics.median(others) if others else 0.0
        row(
            "–",
            f"{given.rows:,} rows of OData {version.upper()}, pages of {given.page:,}, pages to records",
            peer=f"dlt, by links: {other:,.0f} rows per CPU s" if others else "–",
            measured=f"{ours:,.0f} rows per CPU s" + (f", **{ours / other:.1f} times dlt**" if others else ""),
            met="–",
        )


if __name__ == "__main__":
    main()
