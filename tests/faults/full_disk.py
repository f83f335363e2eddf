"""The disk below all of PostgreSQL is full for a while, under tills that hand in over HTTP. Prints what came of it as
JSON: `python -m tests.faults.full_disk` (needs the right to mount; exit code 77 without).

Data, write-ahead log and temporary files are on one volume. When the log finds no room for its next part PostgreSQL
ends itself; it is started again and again meanwhile, as a service manager does. The web server is left alone.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import psycopg

from bench.installation import Installation, free_port
from bench.intake import wait, web
from bench.order_server import order
from portal.embedded import EmbeddedError
from tests.faults.small_volumes import SmallVolume, eat_wal

SIZE = 512 * 1024 * 1024
LITTLE_WAL = ("max_wal_size = '64MB'", "min_wal_size = '32MB'")
TILLS, BATCH = 6, 5
FULL = 8.0  # seconds
AFTERWARDS = 60.0  # seconds in which all has to be taken
NOT_MOUNTED = 77


class OnOneVolume(Installation):
    """Everything of PostgreSQL is on a volume that can be filled."""

    def __init__(self) -> None:
        super().__init__(valkey=True, source=False, lanes=4)
        self.volume = SmallVolume(self.servers.state, SIZE)

    def __exit__(self, *about: Any) -> None:
        super().__exit__(*about)
        self.volume.release()

    def keep(self) -> bool:
        """Start PostgreSQL again where it has ended; answers whether it had."""
        if "postgres" not in self.servers.ended():
            return False
        with suppress(EmbeddedError, OSError, psycopg.Error):
            self.servers.revive("postgres")
        return True


class Till(threading.Thread):
    """Hands in batches of its own; every second till does not try again what was refused."""

    def __init__(self, number: int, port: int, path: str, headers: dict[str, str], over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number, self.port, self.path, self.headers, self.over = number, port, path, headers, over
        self.answers: list[tuple[float, int, str | None]] = []  # when, status, Retry-After
        self.taken: list[int] = []
        self.left: list[int] = []
        self.line: http.client.HTTPConnection | None = None

    def run(self) -> None:
        first = self.number * 1_000_000
        while not self.over.is_set():
            if self.send(first) == 202:
                self.taken.append(first)
            elif self.number % 2:
                self.left.append(first)
                self.over.wait(0.1)
            else:
                self.over.wait(0.1)
                continue
            first += BATCH

    def send(self, first: int) -> int:
        status, again = 0, None
        try:
            if self.line is None:
                self.line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            items = [order(first + n) for n in range(BATCH)]
            self.line.request("POST", self.path, json.dumps({"items": items}), self.headers)
            answer = self.line.getresponse()
            answer.read()
            status, again = answer.status, answer.headers["Retry-After"]
        except (OSError, http.client.HTTPException):
            if self.line is not None:
                self.line.close()
            self.line = None
        self.answers.append((time.monotonic(), status, again))
        return status


def stored(conn: psycopg.Connection[Any], firsts: list[int]) -> Counter[int]:
    """How many of these batches are in the log with how many of their messages."""
    row = conn.execute(
        "select array_agg(n) from (select f, (select count(*) from runtime_message m "
        "where m.key = any(array(select 'ORD-' || lpad((f + i)::text, 8, '0') from generate_series(0, %s) i))) as n "
        "from unnest(%s::bigint[]) f) x",
        (BATCH - 1, firsts),
    ).fetchone()
    return Counter(row[0] or []) if row else Counter()


def main() -> int:
    try:
        installed = OnOneVolume()
    except OSError as error:
        print(f"nothing may be mounted here: {error}", file=sys.stderr)
        return NOT_MOUNTED
    with installed:
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        os.environ["LOG_LEVEL"] = "CRITICAL"
        with psycopg.connect(installed.database, autocommit=True) as conn:
            for setting in LITTLE_WAL:
                conn.execute(f"alter system set {setting}".encode())
            conn.execute("select pg_reload_conf()")
        till: Any = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        port = free_port()
        server = web(port)
        try:
            wait(port, path, headers)
            print(json.dumps(watched(installed, server, port, path, headers)), flush=True)
        finally:
            server.terminate()
            server.wait(30)
    return 0


def watched(
    installed: OnOneVolume, server: subprocess.Popen[bytes], port: int, path: str, headers: dict[str, str]
) -> dict[str, Any]:
    over = threading.Event()
    tills = [Till(number, port, path, headers, over) for number in range(1, TILLS + 1)]
    for one in tills:
        one.start()
    spells = [spell(installed, tills, eats_wal) for eats_wal in (False, True)]
    over.wait(1.0)
    over.set()
    for one in tills:
        one.join(60)
    with psycopg.connect(installed.database, autocommit=True) as conn:
        doubled = conn.execute("select count(*) from (select from runtime_message group by key having count(*) > 1) d")
        heads = conn.execute(
            "select count(*) from runtime_message m "
            "left join runtime_head h on h.stream_id = m.stream_id and h.key = m.key "
            "where h.position is distinct from m.position"
        )
        answers = [answer for one in tills for answer in one.answers]
        return {
            "statuses": Counter(str(status) for _, status, _ in answers),
            "without Retry-After": sum(status == 503 and not again for _, status, again in answers),
            "taken, by messages in the log": stored(conn, [first for one in tills for first in one.taken]),
            "left, by messages in the log": stored(conn, [first for one in tills for first in one.left]),
            "twice": (doubled.fetchone() or (None,))[0],
            "without its head": (heads.fetchone() or (None,))[0],
            "spells": spells,
            "the web server runs": server.poll() is None,
        }


def spell(installed: OnOneVolume, tills: list[Till], eats_wal: bool) -> dict[str, Any]:
    """The volume is full for a while, then there is room again: what tills were told, and when all were served."""
    quiet = threading.Event()
    quiet.wait(2.0)
    installed.volume.fill()
    began = time.monotonic()
    if eats_wal:
        eat_wal(installed.database)
    ended = False
    while time.monotonic() < began + FULL:
        ended = installed.keep() or ended
        quiet.wait(0.2)
    installed.volume.free()
    room = time.monotonic()
    while time.monotonic() < room + AFTERWARDS and not all(good_since(one, room) for one in tills):
        installed.keep()
        quiet.wait(0.1)
    told = [status for one in tills for at, status, _ in one.answers if began < at < room]
    return {"told": Counter(map(str, told)), "ended": ended, "good": [good_since(one, room) for one in tills]}


def good_since(till: Till, moment: float) -> float:
    """Seconds to the first good answer after a moment; 0 where none came."""
    return next((at - moment for at, status, _ in list(till.answers) if at > moment and status == 202), 0.0)


if __name__ == "__main__":
    sys.exit(main())
