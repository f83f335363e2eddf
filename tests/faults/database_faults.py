"""The databases' and the clients' half of a campaign, under tills that hand in over HTTP:

    restarts   PostgreSQL is ended without a goodbye and recovers, every few seconds
    readonly   it takes no writes for a while, as after a failover to a standby that is not promoted yet
    full       the volume of the message log is full for a while (needs the right to mount; else it is left out)
    wal        the volume of the write-ahead log is full: PostgreSQL ends itself, and is started again when there is
               room (the same right)
    frozen     a session holds every lane of an integration and never goes on: the server has to end it
    reader     somebody reads the whole log in one transaction for a long time, while a partition is made
    bodies     many clients announce a body and send none of it, or a byte now and then
    clock      the database's clock is set, for a moment, by hours or a day ahead or back, and a worker is killed
               meanwhile (needs a C compiler; else it is left out)

`--only NAME` leaves the others out. What a caller may get meanwhile is 202 or "not now": any other answer is untrue.
When it is over, tills have to be answered well again in time (`waits.py`), and deliveries have to go on.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from tests.faults import front_health, waits
from tests.faults.front_health import FrontHealth
from tests.faults.harness import Installation
from tests.faults.judge import Verdict
from tests.faults.small_volumes import eat_wal, log_on_a_volume
from tests.faults.waits import DISTURBING, Spell, TillCall

if TYPE_CHECKING:
    from tests.faults.product import People

KINDS = ("restarts", "readonly", "full", "wal", "frozen", "reader", "bodies", "clock")
EVERY = {"restarts": 20.0, "readonly": 12.0, "full": 12.0, "frozen": 8.0, "reader": 20.0, "bodies": 15.0}
EVERY |= {"wal": 20.0, "clock": 15.0}
SOON = 0.25  # the first of a round with one kind comes in this share of that time
SCHEDULER_IS_THERE = 12.0  # seconds
ALONE = 6.5  # seconds after one, before the next: longer than tills may take to be answered well again
OF_OUR_OWN = {"restarts", "readonly", "full", "wal", "clock"}  # what needs a server that is ours
MAY_BE_ANSWERED = {"202", "503", "502", "504", "408", "429", "none"}
SLOW_CLIENTS = 60
IDLE = 1.0  # seconds after which the server ends a transaction of intake that does nothing
STEPS = (86_400.0, 7_200.0, -7_200.0, -86_400.0)  # seconds
GOES_ON_WITHIN = 8.0  # seconds, beside a lease: deliveries after a step of the clock, on a machine that others load
_NEXT = """
select child.relname
from pg_inherits i
join pg_class child on child.oid = i.inhrelid
where i.inhparent = 'runtime_message'::regclass and child.relname ~ '^runtime_message_[0-9]{6}$'
order by child.relname desc
limit 1"""


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
    spells: list[Spell] = field(default_factory=list)
    able: frozenset[str] = frozenset()  # the kinds that this machine and installation can do
    tills_are_served: Callable[[], bool] = field(default=lambda: True)
    health: FrontHealth = field(init=False)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = FrontHealth(self._web_server)

    def begin(self) -> None:
        if self.kinds:
            self.health.start()
        now = time.monotonic()
        servers = self.installation.servers
        kinds = self.kinds - (set() if servers.own else OF_OUR_OWN)
        if "full" in kinds and not self._on_a_small_volume():
            kinds = kinds - {"full"}
        if servers.wal is None:
            kinds = kinds - {"wal"}
        if not servers.clock.settable:
            kinds = kinds - {"clock"}
        self.able = frozenset(kinds)
        soon = SOON if len(kinds) == 1 else 1.0
        self.due = {kind: now + self.random.uniform(0.5, EVERY[kind] * soon) for kind in sorted(kinds)}
        if "clock" in self.due:  # it is the scheduler that sees a step, so it has to be there before
            self.due["clock"] += SCHEDULER_IS_THERE

    def act(self) -> None:
        """One at a time: what is due meanwhile comes later."""
        now = time.monotonic()
        kind = min(self.due, key=self.due.__getitem__, default=None)
        under_way = any(spell.over is None for spell in self.spells)
        if kind is None or under_way or now < max(self.due[kind], self.quiet_until):
            return
        if not self.spells and not self.tills_are_served():
            return  # what a till waits for while a slow machine starts says nothing
        self.installation.history.note(f"database {kind}")
        self.spells.append(Spell(kind, time.time()))
        getattr(self, f"_{kind}")()
        done = time.monotonic()
        self.quiet_until = done + ALONE
        self.due[kind] = done + EVERY[kind] * self.random.uniform(0.7, 1.5)

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)
        self.health.stop()

    def judge(self, verdict: Verdict, tills: list[list[TillCall]], effects: list[float]) -> None:
        """What the callers were told, and how long they waited; `effects` are the times of the vendors' journals."""
        answers = Counter(call.answer for calls in tills for call in calls)
        for answer in sorted(set(answers) - MAY_BE_ANSWERED) if self.kinds else ():
            verdict.add("untrue", f"a till was answered {answer}, {answers[answer]} times", answers[answer])
        verdict.facts["databases"] = {kind: sum(s.kind == kind for s in self.spells) for kind in sorted(self.able)}
        disturbed = [at for at, event in self.installation.history.events if event in DISTURBING]
        told = waits.judge(verdict, self.spells, tills, disturbed)
        if self.spells:
            health = front_health.judge(verdict, self.spells, self.health.answers, disturbed)
            verdict.facts["waits"] = told.facts() | {"longest call": _longest(tills), "readiness": health}
        self._deliveries(verdict, tills, effects, disturbed)

    def _deliveries(
        self, verdict: Verdict, tills: list[list[TillCall]], effects: list[float], disturbed: list[float]
    ) -> None:
        """A step of the clock stops nothing longer than a lease: something is delivered while sales come in."""
        within = self.installation.lease + GOES_ON_WITHIN
        for spell in self.spells:
            over = spell.over
            if spell.kind != "clock" or over is None or any(over < at < over + within for at in disturbed):
                continue
            sold = any(call.answer == "202" and over < call.ended < over + 1.0 for calls in tills for call in calls)
            if sold and not any(over < at < over + within for at in effects):
                verdict.add("held_up", f"nothing was delivered for {within:g} s after the clock was right again")

    # -- kinds -------------------------------------------------------------------------------------------------------
    def _over_now(self) -> None:
        self.spells[-1].over = time.time()

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        """Undo it then; from there on it is over."""
        spell = self.spells[-1]

        def end() -> None:
            undo()
            spell.over = spell.over or time.time()
            self.quiet_until = time.monotonic() + ALONE

        self.undo.append((time.monotonic() + seconds, end))

    def _restarts(self) -> None:
        self.installation.servers.restart_postgres()
        self._over_now()

    def _readonly(self) -> None:
        """The whole server, or each session that begins meanwhile, for as long as it lives: what a quota of a managed
        server does, or an address that led to a standby."""
        for_life = self.random.random() < 0.5
        way = self._read_only_sessions if for_life else self._set_read_only
        way("on")
        self._later(self.random.uniform(0.5, 2.5), lambda: way("off"))

    def _read_only_sessions(self, value: str) -> None:
        with self._admin() as conn:
            conn.execute("set default_transaction_read_only = off")
            name = conn.info.dbname
            conn.execute(f'alter database "{name}" set default_transaction_read_only = {value}'.encode())
            if value == "on":
                conn.execute(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                        where datname = current_database() and pid <> pg_backend_pid()"""
                )

    def _set_read_only(self, value: str) -> None:
        with self._admin() as conn:
            conn.execute("set default_transaction_read_only = off")
            conn.execute(f"alter system set default_transaction_read_only = {value}")
            conn.execute("select pg_reload_conf()")

    def _full(self) -> None:
        volume = self.installation.volume
        assert volume is not None
        volume.fill()
        self._later(self.random.uniform(1.0, 3.0), volume.free)

    def _wal(self) -> None:
        servers = self.installation.servers
        volume = servers.wal
        assert volume is not None
        volume.fill()
        if not eat_wal(servers.postgres_url):
            self.installation.history.note("the write-ahead log found room")

        def room() -> None:
            volume.free()
            servers.restart_postgres()

        self._later(self.random.uniform(1.0, 3.0), room)
        self.people.meanwhile = partial(self._undo_when_due, self.undo[-1])

    def _undo_when_due(self, entry: tuple[float, Any]) -> None:
        if entry in self.undo and time.monotonic() >= entry[0]:
            self.undo.remove(entry)
            entry[1]()

    def _clock(self) -> None:
        """What is leased or put off by the wrong clock is left by a worker that is killed."""
        clock = self.installation.servers.clock
        clock.set(step := self.random.choice(STEPS))
        self.installation.history.note("clock", step=step)
        seconds = self.random.uniform(1.5, 4.0)
        self.undo.append((time.monotonic() + seconds / 2, self._kill_a_worker))
        self._later(seconds, lambda: clock.set(0.0))

    def _kill_a_worker(self) -> None:
        processes = self.installation.processes
        assert processes is not None
        if workers := sorted(slot for slot, one in processes.running.items() if one.kind == "worker"):
            slot = self.random.choice(workers)
            self.installation.history.note("kill", slot=slot)
            processes.signal(slot, signal.SIGKILL)

    def _frozen(self) -> None:
        """What a process that the scheduler of a host has stopped leaves behind: an open transaction with locks, from
        the client's side for ever."""
        from runtime.ledger import connections

        stream = self.random.choice(self.people.sql("select id from runtime_stream order by id"))[0]
        try:
            conn = connections.connect(name="tillgate-intake-frozen", role="intake")
        except psycopg.Error:
            self.spells.pop()
            return
        try:
            conn.execute("begin")
            conn.execute("set local lock_timeout = '2s'")  # where the one before is still there
            conn.execute("select from runtime_lane where stream_id = %s order by lane for update", (stream,))
        except psycopg.Error:
            conn.close()
            self.spells.pop()
            return
        self.undo.append((time.monotonic() + 3600.0, conn.close))
        self.spells[-1].over = time.time() + IDLE

    def _reader(self) -> None:
        """The last partition ahead holds nothing: it is taken away, so that one has to be made while somebody reads."""

        def read() -> None:
            with contextlib.suppress(psycopg.Error), self._admin() as conn:
                conn.execute("begin transaction isolation level repeatable read")
                conn.execute("select count(*) from runtime_message")
                self._over.wait(seconds)

        from runtime.services import log_partitions

        def make() -> None:
            self._over.wait(1.0)
            with contextlib.suppress(psycopg.Error):
                log_partitions.make_ahead()

        seconds = self.random.uniform(9.0, 12.0)
        with contextlib.suppress(psycopg.Error), self._admin() as conn:
            conn.execute("set lock_timeout = '1s'")
            if row := conn.execute(_NEXT).fetchone():
                conn.execute(f"drop table {row[0]}".encode())
        self._over_now()
        self._run(read)
        self._run(make)

    def _bodies(self) -> None:
        place, seconds = self._web_server(), self.random.uniform(7.0, 9.0)
        if place is None:
            self.spells.pop()
            return

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

        self._over_now()
        self._run(hang)

    # -- means -------------------------------------------------------------------------------------------------------
    def _web_server(self) -> tuple[str, int] | None:
        """Where it listens, past the proxy that breaks calls of tills."""
        web = self.installation.web
        return None if web is None or web.process is None else web.proxy.upstream

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


def _longest(tills: list[list[TillCall]]) -> float:
    """Seconds of the longest call that was answered 202."""
    return round(
        max((call.ended - call.began for calls in tills for call in calls if call.answer == "202"), default=0.0), 2
    )
