"""R10 where servers and volumes change: a synchronous standby is promoted behind a multi-host address, and the volume
of the message log is full for a while.

    python -m bench.failover [--clients 16]

Beside what `bench.outages` reports: how many sales that were answered 202 are not in the log afterwards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench.installation import Installation, free_port
from bench.intake import wait, web
from bench.outages import Tills
from kernel.processes import die_with_parent
from tests.faults.small_volumes import SmallVolume, log_on_a_volume

LEAST_CONNECTIONS = "max_connections=100"


class Standby:
    """A streaming standby of the installation's server, that must have each commit too."""

    def __init__(self, installed: Installation) -> None:
        self.servers: Any = installed.servers
        self.primary, self.port = installed.database, free_port()
        self.binaries, self.identity = self.servers._postgres_bin(), self.servers._identity()
        self.data = Path(self.servers.state) / "standby"
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.identity:
            os.chown(self.data, self.identity["user"], self.identity["group"])
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "-d", self.primary)
        command = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", ""]
        command += ["-c", LEAST_CONNECTIONS]
        self.process = subprocess.Popen(
            command, cwd="/", stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGINT), **self.identity
        )
        self.url = self.primary.replace(f":{urlsplit(self.primary).port}/", f":{self.port}/")
        with psycopg.connect(self.primary, autocommit=True) as conn:
            while not conn.execute("select 1 from pg_stat_replication where state = 'streaming'").fetchone():
                time.sleep(0.1)
            conn.execute("alter system set synchronous_standby_names = '*'")
            conn.execute("select pg_reload_conf()")

    @property
    def both(self) -> str:
        """One address for the two servers."""
        at = urlsplit(self.primary)
        return self.primary.replace(f":{at.port}/", f":{at.port},127.0.0.1:{self.port}/") + (
            "?target_session_attrs=read-write"
        )

    def take_over(self) -> tuple[float, float]:
        """The primary is gone without a goodbye; the standby is promoted."""
        began = time.monotonic()
        process = next(entry for entry in self.servers._running if entry[2] == "postgres")
        process[0].send_signal(signal.SIGQUIT)
        process[0].wait()
        self.servers._running.remove(process)
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("alter system set synchronous_standby_names = ''")
            conn.execute("select pg_reload_conf(), pg_promote()")
        return began, time.monotonic()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run([str(self.binaries / name), *arguments], cwd="/", check=True, **self.identity)


def full(volume: SmallVolume) -> tuple[float, float]:
    began = time.monotonic()
    volume.fill()
    time.sleep(5)
    volume.free()
    return began, time.monotonic()


def missing(url: str, tills: Tills) -> int:
    """Sales that were answered 202 and are not in the log."""
    taken = sum(status == 202 for client in tills.clients for _, _, status in client.calls)
    keys = [key for client in tills.clients for key in client.taken]
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute("select count(distinct key) from runtime_message where key = any(%s)", (keys,)).fetchone()
    assert row is not None
    return taken - int(row[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=16)
    given = parser.parse_args()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        os.environ["LOG_LEVEL"] = "CRITICAL"
        till: Any = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        with psycopg.connect(installed.database, autocommit=True) as conn:
            volume = log_on_a_volume(conn, installed.servers)
        standby = None
        port = free_port()
        server = web(port)
        try:
            wait(port, path, headers)
            with Tills(port, path, headers, given.clients) as tills:
                time.sleep(3)
                away, back = full(volume)
                time.sleep(8)
            tills.report("R10 full volume", away, back)
            print(f"  answered 202 and not in the log: {missing(installed.database, tills)}", flush=True)
            with psycopg.connect(installed.database, autocommit=True) as conn:
                log_on_a_volume(conn, None)
            server.terminate()
            server.wait()
            standby = Standby(installed)
            os.environ["DATABASE_URL"] = standby.both
            server = web(port)
            wait(port, path, headers)
            with Tills(port, path, headers, given.clients) as tills:
                time.sleep(3)
                away, back = standby.take_over()
                time.sleep(8)
            tills.report("R10 failover", away, back)
            print(f"  answered 202 and not in the log: {missing(standby.url, tills)}", flush=True)
        finally:
            server.terminate()
            server.wait()
            if standby is not None:
                standby.stop()
            volume.release()


if __name__ == "__main__":
    main()
