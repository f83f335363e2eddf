"""The other tools of `bench.sync`, each in an environment of its own, on the same server with the same orders.

`make bench-peers PEERS=folder` makes the environments. While they run nothing leaves the machine: what they say about
their use is off, and a way out leads to a closed port. After each run it is looked at whether every order is there.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from bench.installation import Installation
from bench.measure import cpu
from bench.order_server import order

HERE = Path(__file__).parent
CLOSED = "http://127.0.0.1:9"
FROM_JSON, FROM_CSV = "Sling, JSON lines, by key", "Sling, CSV, by key and update key"
DLT = "dlt merge"


def python_of(folder: Path, name: str) -> Path:
    """The interpreter of a peer's environment."""
    found = folder / name / "bin" / "python"
    if not found.exists():
        raise SystemExit(f"{found} is not there: make bench-peers PEERS={folder}")
    return found


class Peers:
    """The peers of one round, by the interpreters of their environments; without one they are left out."""

    def __init__(self, installed: Installation, base: str, *, dlt: Path | None, sling: Path | None) -> None:
        self.installed, self.base, self.dlt, self.sling = installed, base.rstrip("/"), dlt, sling
        self.names = [DLT] * bool(dlt) + [FROM_JSON, FROM_CSV] * bool(sling)

    def run(self, name: str, count: int, generation: int) -> dict[str, Any]:
        """One load by a peer: seconds, CPU seconds with PostgreSQL's, MiB, bytes of WAL an order."""
        if name == DLT:
            return self._measured("peer.orders", count, generation, self.dlt, "peer_dlt.py", self.base, "peer")
        table = "public.peer_from_json" if name == FROM_JSON else "public.peer_from_csv"
        file = self._file(count, generation, "csv" if name == FROM_CSV else "jsonl")
        more = ["version"] if name == FROM_CSV else []
        return self._measured(table, count, generation, self.sling, "peer_sling.py", str(file), table, *more)

    def _measured(
        self, table: str, count: int, generation: int, python: Path | None, script: str, source: str, *more: str
    ) -> dict[str, Any]:
        roots, environment = [self.installed.postgres_pid], closed_environment(self.installed.folder)
        command = [str(python), str(HERE / script), source, self.installed.database, *more]
        with self.installed.connect() as conn:
            wal, spent = written(conn), cpu(roots)
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{script} failed: {(done.stdout + done.stderr)[-2000:]}")
            server, wal = cpu(roots) - spent, written(conn) - wal
            right = conn.execute(f"select count(*) filter (where version = {generation}) from {table}").fetchone()[0]
        if right != count:
            raise SystemExit(f"{script}: {right} of {count} orders are in {table} as the source has them")
        said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return {**said, "cpu": said["cpu"] + server, "wal": wal / count}

    def _file(self, count: int, generation: int, kind: str) -> Path:
        """The orders as a file, made beforehand: what the source costs is not counted for anybody."""
        path = self.installed.folder / f"orders-{generation}.{kind}"
        if path.exists():
            return path
        orders = (order(number, generation) for number in range(count))
        with path.open("w") as out:
            if kind == "jsonl":
                out.writelines(json.dumps(one) + "\n" for one in orders)
                return path
            flat = ({**one, **{f"customer_{k}": v for k, v in one.pop("customer").items()}} for one in orders)
            first = next(flat)
            table = csv.DictWriter(out, [name for name in first if name != "customer"], extrasaction="ignore")
            table.writeheader()
            table.writerow(first)
            table.writerows(flat)
        return path


def closed_environment(folder: Path) -> dict[str, str]:
    """What a peer's process is told: no way out of the machine, nothing of the product's own settings."""
    ways = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), CLOSED)
    home = {"HOME": str(folder), "DLT_DATA_DIR": str(folder / "dlt"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "NO_PROXY": "127.0.0.1", **ways, **home}


def written(conn: Any) -> float:
    """Bytes of WAL so far."""
    return float(conn.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])
