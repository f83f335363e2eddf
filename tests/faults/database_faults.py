"""The databases' and the clients' half of a campaign, under tills that hand in over HTTP:

    restarts   PostgreSQL is ended without a goodbye and recovers, every few seconds
    readonly   it takes no writes for a while, as after a failover to a standby that is not promoted yet
    full       the volume of the message log is full for a while (needs the right to mount; else it is left out)
    frozen     a session holds every lane of an integration and never goes on: the server has to end it
    reader     somebody reads the whole log in one transaction for a long time, while partitions are to be made
    bodies     many clients announce a body and send none of it, or a byte now and then

`--only NAME` leaves the others out. What a caller may get meanwhile is 202 or "not now": any other answer is untrue.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.faults.harness import Installation
from tests.faults.judge import Verdict

if TYPE_CHECKING:
    from tests.faults.product import People

KINDS = ("restarts", "readonly", "full", "frozen", "reader", "bodies")
EVERY = {"restarts": 20.0, "readonly": 12.0, "full": 12.0, "frozen": 8.0, "reader": 15.0, "bodies": 12.0}
ALONE = 3.0  # seconds between two of them
MAY_BE_ANSWERED = {"202", "503", "502", "504", "408", "429", "none"}
SLOW_CLIENTS = 60
_PARTS = "select inhrelid::regclass::text from pg_inherits where inhparent = 'runtime_message'::regclass"
VOLUME_BYTES = 48 * 1024 * 1024


class SmallVolume:
    """A volume of its own for a part of the database, which can be filled and emptied. Raises OSError where nothing may
    be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_BYTES},mode=0777", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise OSError(str(error)) from None
        if done.returncode:
            raise OSError(done.stderr.strip())

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"\0" * 65536):
                pass

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def release(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)


def log_on_a_volume(conn: psycopg.Connection[Any], servers: Any) -> Any:
    """Move the partitions of the log to a small volume, which is answered; back again where `servers` is None. Raises
    OSError."""
    volume, space = None, "pg_default"
    if servers is not None:
        volume, space = SmallVolume(Path(servers.state) / "small"), "small"
        inside = volume.folder / "space"
        inside.mkdir(mode=0o777)
        if servers._pg_user is not None:
            os.chown(inside, servers._pg_user.pw_uid, servers._pg_user.pw_gid)
        conn.execute(f"create tablespace small location '{inside}'".encode())
    for (part,) in conn.execute(_PARTS).fetchall():
        conn.execute(f"alter table {part} set tablespace {space}".encode())
    if servers is None:
        conn.execute("drop tablespace small")
    return volume


@dataclass
class DatabaseFaults:
    """What happens to the database and at the front door in one round."""

    installation: Installation
    people: People
    random: random.Random
    kinds: frozenset[str]
    undo: list[tuple[float, Any]]
    due: dict[str, float] = field(default_factory=dict)
    quiet_until: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        now = time.monotonic()
        kinds = self.kinds - (set() if self.installation.servers.own else {"restarts", "readonly", "full"})
        if "full" in kinds and not self._on_a_small_volume():
            kinds = kinds - {"full"}
        self.due = {kind: now + self.random.uniform(0.5, EVERY[kind]) for kind in sorted(kinds)}

    def act(self) -> None:
        """One at a time: what is due meanwhile comes later."""
        now = time.monotonic()
        kind = min(self.due, key=self.due.__getitem__, default=None)
        if kind is None or now < max(self.due[kind], self.quiet_until):
            return
        self.installation.history.note(f"database {kind}")
        getattr(self, f"_{kind}")()
        done = time.monotonic()
        self.quiet_until = done + ALONE
        self.due[kind] = done + EVERY[kind] * self.random.uniform(0.7, 1.5)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def judge(self, verdict: Verdict, answers: Counter[str]) -> None:
        """What the callers were told."""
        for answer in sorted(set(answers) - MAY_BE_ANSWERED) if self.kinds else ():
            verdict.add("untrue", f"a till was answered {answer}, {answers[answer]} times", answers[answer])

    # -- kinds -------------------------------------------------------------------------------------------------------
    def _restarts(self) -> None:
        self.installation.servers.restart_postgres()

    def _readonly(self) -> None:
        self._set_read_only("on")
        self.undo.append((time.monotonic() + self.random.uniform(0.5, 2.5), lambda: self._set_read_only("off")))

    def _set_read_only(self, value: str) -> None:
        with self._admin() as conn:
            conn.execute("set default_transaction_read_only = off")
            conn.execute(f"alter system set default_transaction_read_only = {value}")
            conn.execute("select pg_reload_conf()")

    def _full(self) -> None:
        volume = self.installation.volume
        assert volume is not None
        volume.fill()
        self.undo.append((time.monotonic() + self.random.uniform(1.0, 3.0), volume.free))

    def _frozen(self) -> None:
        """What a process that the scheduler of a host has stopped leaves behind: an open transaction with locks, from
        the client's side for ever."""
        from runtime.ledger import connections

        stream = self.random.choice(self.people.sql("select id from runtime_stream order by id"))[0]
        with contextlib.suppress(psycopg.Error):
            conn = connections.connect(name="tillgate-intake-frozen", role="intake")
            conn.execute("begin")
            conn.execute("select from runtime_lane where stream_id = %s order by lane for update", (stream,))
            self.undo.append((time.monotonic() + 3600.0, conn.close))

    def _reader(self) -> None:
        def read() -> None:
            with contextlib.suppress(psycopg.Error), self._admin() as conn:
                conn.execute("begin transaction isolation level repeatable read")
                conn.execute("select count(*) from runtime_message")
                self._over.wait(seconds)

        from runtime.services import log_partitions

        seconds = self.random.uniform(4.0, 8.0)
        self._run(read)

        def make() -> None:
            with contextlib.suppress(psycopg.Error):
                log_partitions.make_ahead()

        self.undo.append((time.monotonic() + 1.0, make))

    def _bodies(self) -> None:
        web = self.installation.web
        if web is None or web.process is None:
            return
        place, seconds = web.proxy.upstream, self.random.uniform(2.0, 5.0)

        def hang() -> None:
            opened: list[socket.socket] = []
            with contextlib.suppress(OSError):
                for number in range(SLOW_CLIENTS):
                    one = socket.create_connection(place, 2)
                    one.sendall(
                        b"POST /api/v1/intake/sales/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 100000\r\n\r\n" + (b"{" if number % 2 else b"")
                    )
                    opened.append(one)
            self._over.wait(seconds)
            for one in opened:
                one.close()

        self._run(hang)

    # -- means -------------------------------------------------------------------------------------------------------
    def _run(self, body: Any) -> None:
        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.installation.servers.postgres_url, autocommit=True, connect_timeout=10)

    def _on_a_small_volume(self) -> bool:
        """The log stands on a volume of its own from the first time on."""
        if self.installation.volume is not None:
            return True
        try:
            with self._admin() as conn:
                self.installation.volume = log_on_a_volume(conn, self.installation.servers.embedded)
        except OSError as error:
            self.installation.history.note("no small volume", why=str(error))
            return False
        return True
