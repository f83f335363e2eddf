"""What a seed breaks while a round runs, how often, and how it is mended again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

from tests.faults.database_faults import KINDS as DATABASES
from tests.faults.harness import Installation
from tests.faults.product import People
from tests.faults.vendor_faults import KINDS, SOURCES

POINTS = (
    "worker.claimed",
    "database.before_transaction",
    "database.after_step",
    "database.before_commit",
    "database.after_commit",
    "vendor.after_intent",
    "vendor.before_send",
    "vendor.after_send",
    "vendor.after_call",
    "vendor.before_commit",
    "vendor.unknown",
    "vendor.after_ask",
    "vendor.after_resume",
    "quarantine.claimed",
    "quarantine.after_call",
    "quarantine.before_commit",
)
COLLECTOR_POINTS = ("collect.read", "append.before_write", "append.before_commit", "append.after_commit")
TILL_POINTS = ("append.before_write", "append.before_commit", "append.after_commit")
WINDOW = "vendor.before_send"
FOCUS = {
    "outside": ("database.after_step",),
    "token": ("vendor.after_call", "vendor.after_send", "vendor.after_ask"),
    "intent": ("vendor.after_send",),
}
"""Where a planted bug lives: half of the armed workers of such a run end or stop there."""


@dataclass(frozen=True, slots=True)
class Options:
    """How hard a round is. Times in seconds, rates as mean times between two injections."""

    batches: int = 150
    tills: int = 2
    workers: int = 3
    lease: float = 3.0
    deadline: float = 0.8
    till_pause: float = 0.15
    kill_every: float = 1.5
    stop_every: float = 4.0
    vendor_every: float = 2.5
    postgres_every: float = 6.0
    restart_every: float = 20.0
    redis_every: float = 6.0
    web_every: float = 8.0  # faults before the web server; every third is its end
    http_tills: int = 1  # how many of the tills hand in over HTTP
    decide_every: float = 10.0
    closed_for: float = 6.0
    plant: str | None = None
    armed: float = 0.6  # share of workers that are born to die or stop at a named point
    stops: float = 0.4  # of those, how many stop instead
    rest_within: float = 240.0  # a machine that others load is slow
    offers: int = 100  # published by the source in a round
    dates_within: int = 8  # seconds after which the last of their dates has come
    sources: frozenset[str] = frozenset(SOURCES)  # `source_faults.py`
    ask_every: float = 1.5  # how fresh the stores are
    compare_every: float = 4.0  # the counts with each other
    databases: frozenset[str] = frozenset(DATABASES)  # `database_faults.py`
    vendors: frozenset[str] = frozenset(KINDS)  # what vendors do wrong by themselves: `vendor_faults.KINDS`


CALM: dict[str, Any] = {
    "kill_every": 0.0,
    "stop_every": 0.0,
    "vendor_every": 0.0,
    "postgres_every": 0.0,
    "restart_every": 0.0,
    "redis_every": 0.0,
    "web_every": 0.0,
    "decide_every": 0.0,
    "armed": 0.0,
    "vendors": frozenset(),
    "sources": frozenset(),
    "databases": frozenset(),
}
"""Options of a run without any fault."""


class Injections:
    """The faults of one round: each kind comes after a random time, drawn anew, and what lasts is undone later."""

    installation: Installation
    people: People
    options: Options
    random: random.Random
    due: dict[str, float]
    undo: list[tuple[float, Any]]
    blind: bool
    own: bool

    def _draw_all(self) -> None:
        for name in ("kill", "stop", "vendor", "postgres", "restart", "redis", "web", "decide"):
            self._draw(name)

    def _draw(self, name: str) -> None:
        mean = getattr(self.options, f"{name}_every")
        self.due[name] = time.monotonic() + (self.random.expovariate(1 / mean) if mean else float("inf"))

    def _inject(self) -> None:
        now = time.monotonic()
        for name, at in list(self.due.items()):
            if now >= at:
                getattr(self, f"_{name}")()
                self._draw(name)

    def _some_worker(self) -> str | None:
        assert self.installation.processes is not None
        running = [
            p.slot
            for p in self.installation.processes.running.values()
            if p.kind in ("worker", "collector") and p.resume_at is None and not p.stopped
        ]
        return self.random.choice(running) if running else None

    def _kill(self) -> None:
        assert self.installation.processes is not None
        if slot := self._some_worker():
            self.installation.history.note("kill", slot=slot)
            self.installation.processes.signal(slot, signal.SIGKILL)

    def _stop(self) -> None:
        """At any moment at all: only where vendors check keys, because the moment may lie between lease check and
        socket."""
        assert self.installation.processes is not None
        if not self.blind and (slot := self._some_worker()):
            self.installation.history.note("stop", slot=slot)
            self.installation.processes.signal(slot, signal.SIGSTOP)

    def _vendor(self) -> None:
        vendors = self.installation.vendors
        proxy = self.random.choice(list(vendors.proxies.values()))
        faults, seconds = self.random.choice(
            (
                ({"cut_response": 0.4}, 2.0),
                ({"cut_middle": 0.4}, 2.0),
                ({"cut_request": 0.4}, 1.5),
                ({"blackhole": True}, 1.5),
                ({"refuse": True}, 1.5),
                ({"latency": 0.2, "jitter": 0.2}, 2.0),
                ({"slice_bytes": 40}, 1.5),
                ({"cut_down": 700}, 1.5),
                ({"cut_up": 900}, 1.5),
            )
        )
        self.installation.history.note("vendor", **faults)
        proxy.set(**faults)
        if "refuse" in faults:
            proxy.reset()
        self.undo.append((time.monotonic() + seconds, proxy.clear))

    def _postgres(self) -> None:
        servers, note = self.installation.servers, self.installation.history.note
        what = self.random.choice(("terminate", "reset", "latency", "cut", "blackhole"))
        note("postgres", what=what)
        if what == "terminate":
            self.people.sql(
                """select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
                      and (application_name like 'tillgate-worker%' or application_name = 'tillgate-intake')"""
            )
        elif what == "reset":
            servers.postgres.reset()
        else:
            faults: dict[str, Any] = {
                "latency": {"latency": 0.03, "jitter": 0.05},
                "cut": {"cut_response": 0.02},
                "blackhole": {"blackhole": True},
            }[what]
            servers.postgres.set(**faults)
            self.undo.append((time.monotonic() + 1.5, servers.postgres.clear))

    def _restart(self) -> None:
        servers = self.installation.servers
        if self.own and not (servers.wal is not None and servers.wal.filled):  # else it would not start
            self.installation.history.note("restart")
            servers.restart_postgres()

    def _redis(self) -> None:
        servers, note = self.installation.servers, self.installation.history.note
        what = self.random.choice(("flush", "pause", "readonly", "kill", "blackhole", "reset"))
        if not self.own and what not in ("blackhole", "reset"):
            what = "reset"
        note("redis", what=what)
        if what == "kill":
            servers.kill_redis()
            self.undo.append((time.monotonic() + 2.0, servers.start_redis))
        elif what == "reset":
            servers.redis.reset()
        elif what == "blackhole":
            servers.redis.set(blackhole=True)
            self.undo.append((time.monotonic() + 2.0, servers.redis.clear))
        else:
            import redis

            with (
                contextlib.suppress(redis.RedisError),
                redis.Redis.from_url(servers.redis_url, socket_timeout=1) as client,
            ):
                if what == "flush":
                    client.flushall()
                elif what == "pause":
                    client.client_pause(1500)
                else:
                    client.replicaof("127.0.0.1", "1")
                    self.undo.append((time.monotonic() + 2.0, self._writable))

    def _web(self) -> None:
        """Between till and web server, or the server itself: one of its processes, or all of them."""
        web = self.installation.web
        if web is None or web.process is None:
            return
        what = self.random.choice(("cut_request", "cut_response", "cut_middle", "blackhole", "one", "all"))
        self.installation.history.note("web", what=what)
        if what == "all":
            web.end(self.random.choice((signal.SIGKILL, signal.SIGTERM)))
        elif what == "one":
            if children := web.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.random.choice(children), signal.SIGKILL)
        else:
            web.proxy.set(**({"blackhole": True} if what == "blackhole" else {what: 0.4}))
            self.undo.append((time.monotonic() + 2.0, web.proxy.clear))

    def _writable(self) -> None:
        import redis

        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis.from_url(self.installation.servers.redis_url, socket_timeout=1) as client,
        ):
            client.replicaof("NO", "ONE")

    def _decide(self) -> None:
        """A rolling deploy, or a revocation in flight that ends later. One at a time."""
        if any(getattr(action, "__self__", None) is self.people for _, action in self.undo):
            return
        people = self.people
        what = self.random.choice(("deploy", "void", "pause", "freeze"))
        later = {"void": people.deploy, "pause": people.resume, "freeze": people.thaw}
        getattr(people, what)()
        if what in later:
            self.undo.append((time.monotonic() + self.options.closed_for * self.random.uniform(0.5, 1.5), later[what]))
