"""The installation under attack: durable PostgreSQL, Valkey, sandbox, proxies between all of them, and the product's
processes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from kernel.processes import die_with_parent
from portal import web_server
from portal.embedded import Embedded
from sandbox.client import Sandbox
from tests.faults.certificates import Certificates
from tests.faults.database_clock import DatabaseClock, can_be_set
from tests.faults.proxy import FaultProxy
from tests.faults.small_volumes import WAL_SETTINGS, SmallVolume, wal_on_a_volume
from tests.unguarded import accept_everything

ROOT = Path(__file__).resolve().parents[2]
WRITES_ALWAYS = "-c default_transaction_read_only=off"  # the campaign's own sessions, whatever the server's setting


def at_port(url: str, port: int) -> str:
    """The same URL on a loopback port."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


class EmbeddedForFaults(Embedded):
    """PostgreSQL with a clock that can be set, and with its write-ahead log on a volume that can be filled, where the
    machine allows it and `kinds` asks for it (`database_faults.py`)."""

    def __init__(self, state: Path, kinds: Collection[str]) -> None:
        super().__init__(state, durable=True)
        self.kinds, self.wal = kinds, cast("SmallVolume | None", None)
        self.clock = DatabaseClock(self.state, settable="clock" in kinds and can_be_set())

    def _init_data(self, binaries: Path) -> None:
        super()._init_data(binaries)
        if "wal" in self.kinds:
            with contextlib.suppress(OSError):
                self.wal = wal_on_a_volume(self)

    def _spawn(self, command: list[str], name: str, stop_signal: int, **identity: Any) -> subprocess.Popen[bytes]:
        if name == "postgres":
            command = [*self.clock.command(), *command, *(WAL_SETTINGS if self.wal is not None else ())]
        return super()._spawn(command, name, stop_signal, **identity)


class Servers:
    """PostgreSQL and Valkey behind proxies. `own`: started here, durable, and may be restarted; else those of the
    environment."""

    def __init__(self, folder: Path, seed: int, *, own: bool, kinds: Collection[str] = ()) -> None:
        self.own = own
        self.embedded = EmbeddedForFaults(folder / "servers", kinds) if own else None
        self.clock = self.embedded.clock if self.embedded is not None else DatabaseClock(folder)
        if self.embedded is not None:
            self.postgres_url, self.redis_url = self.embedded.start_postgres(), self.embedded.start_valkey()
        else:
            self.postgres_url, self.redis_url = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
        self.postgres = FaultProxy(("127.0.0.1", port_of(self.postgres_url)), seed=seed).start()
        self.admin = FaultProxy(("127.0.0.1", port_of(self.postgres_url)), seed=seed).start()
        self.redis = FaultProxy(("127.0.0.1", port_of(self.redis_url)), seed=seed + 1).start()

    def restart_postgres(self) -> None:
        """Immediate shutdown (SIGQUIT: no checkpoint, no goodbye), then crash recovery, perhaps on another port. Also
        where the server has ended, or is about to."""
        assert self.embedded is not None
        pid_file = self.embedded.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text().split()[0])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
                _gone(pid)
        pid_file.unlink(missing_ok=True)
        self.postgres_url = self.embedded.start_postgres()
        for proxy in (self.postgres, self.admin):
            proxy.upstream = ("127.0.0.1", port_of(self.postgres_url))

    @property
    def wal(self) -> SmallVolume | None:
        return self.embedded.wal if self.embedded is not None else None

    def kill_redis(self) -> None:
        assert self.embedded is not None
        process = next(p for p, _, name in reversed(self.embedded._running) if name == "valkey")
        process.kill()
        process.wait()

    def start_redis(self) -> None:
        assert self.embedded is not None
        self.redis_url = self.embedded.start_valkey()
        self.redis.upstream = ("127.0.0.1", port_of(self.redis_url))

    def stop(self) -> None:
        for proxy in (self.postgres, self.admin, self.redis):
            proxy.stop()
        if self.embedded is not None:
            self.embedded.stop()
            if self.embedded.wal is not None:
                self.embedded.wal.release()


def _gone(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    while Path(f"/proc/{pid}").exists() and _state(pid) not in ("Z", ""):
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except (OSError, IndexError):
        return ""


@dataclass(slots=True)
class Process:
    """One product process. `plan` says what it was started to die of."""

    slot: str
    kind: str
    pid: int = 0
    fault: str | None = None
    resume_at: float | None = None
    paused_from: float | None = None

    @property
    def stopped(self) -> bool:
        return _state(self.pid) == "T"


@dataclass(slots=True)
class Ended:
    slot: str
    pid: int
    status: int


class Processes:
    """The runner's client: spawn, kill, pause, and hear who has ended."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "processes.log"
        self.running: dict[str, Process] = {}
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._pending: dict[str, Process] = {}
        self._err = self.log.open("ab")
        self.runner = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.runner"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._err,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        said = self._events.get(timeout=120)
        if "ready" not in said:
            self.stop()
            raise RuntimeError(f"the runner did not start; see {self.log}")

    def _read(self) -> None:
        assert self.runner.stdout is not None
        for line in self.runner.stdout:
            self._events.put(json.loads(line))
        self._events.put({"runner": "gone"})

    def spawn(
        self, slot: str, kind: str, *, fault: str | None = None, plant: str | None = None, **arguments: Any
    ) -> Process:
        """Start a process and wait until it has its number."""
        made = Process(slot, kind, fault=fault)
        self._pending[slot] = made
        assert self.runner.stdin is not None
        order = {"spawn": slot, "kind": kind, "fault": fault, "plant": plant, "arguments": arguments}
        self.runner.stdin.write(json.dumps(order).encode() + b"\n")
        self.runner.stdin.flush()
        ended: list[dict[str, Any]] = []
        while not made.pid:
            said = self._events.get(timeout=60)
            if said.get("spawned") == slot:
                made.pid = said["pid"]
            else:
                ended.append(said)
        for said in ended:
            self._events.put(said)
        self.running[slot] = made
        return made

    def ended(self) -> list[Ended]:
        """Who has ended since the last question."""
        found: list[Ended] = []
        while True:
            try:
                said = self._events.get_nowait()
            except queue.Empty:
                return found
            if "ended" not in said:
                raise RuntimeError(f"the runner has gone; see {self.log}")
            slot = said["ended"]
            if slot in self.running and self.running[slot].pid == said["pid"]:
                del self.running[slot]
            found.append(Ended(slot, said["pid"], said["status"]))

    def signal(self, slot: str, number: signal.Signals) -> None:
        process = self.running.get(slot)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def stop(self) -> None:
        for slot in list(self.running):
            self.signal(slot, signal.SIGKILL)
        if self.runner.stdin is not None:
            self.runner.stdin.close()
        self.runner.wait(20)
        self._reader.join(10)
        if self.runner.stdout is not None:
            self.runner.stdout.close()
        self._err.close()


@dataclass
class History:
    """The operation history: every injection and every decision with its time, one JSON line each."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, event: str, **more: Any) -> None:
        self.counts[event] = self.counts.get(event, 0) + 1
        self.events.append((time.time(), event))
        with self.path.open("a") as lines:
            lines.write(json.dumps({"at": time.time(), "event": event, **more}, default=str) + "\n")


class Vendors:
    """The sandbox behind proxies with stable ports. `blind` vendors check no key and no version, so that every second
    send shows."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.sandbox: Sandbox | None = None
        self.erp = FaultProxy(("127.0.0.1", 1), seed=seed + 2).start()
        self.stores = FaultProxy(("127.0.0.1", 1), seed=seed + 3).start()
        self.certificates = Certificates.make(folder / "certificates")
        self.tls = self.certificates.context()
        self.loyalty = FaultProxy(("127.0.0.1", 1), seed=seed + 4, tls=self.tls).start()

    @property
    def proxies(self) -> dict[str, FaultProxy]:
        return {"erp": self.erp, "stores": self.stores, "loyalty": self.loyalty}

    def begin(self, name: str, *, blind: bool) -> Sandbox:
        """A fresh sandbox with empty journals."""
        if self.sandbox is not None:
            self.sandbox.stop()
        self.sandbox = Sandbox(
            state=self.folder / name, ports=dict.fromkeys(self.proxies, 0), seed=self.seed, stores=2
        ).start()
        for vendor, proxy in self.proxies.items():
            proxy.upstream = ("127.0.0.1", self.sandbox.ports[vendor])
            proxy.reset()
        self.sandbox.erp.control(set={"honour_keys": not blind})
        self.sandbox.stores.control(set={"honour_versions": not blind})
        self.sandbox.loyalty.control(set={"honour_keys": not blind, "lasting_keys": "bonus "})
        return self.sandbox

    def stop(self) -> None:
        for proxy in self.proxies.values():
            proxy.stop()
        if self.sandbox is not None:
            self.sandbox.stop()

    def present(self, name: str) -> None:
        """The loyalty engine presents this certificate from now on, to everybody."""
        self.loyalty.do(lambda: self.certificates.present(self.tls, name))
        self.loyalty.reset()

    def environment(self) -> dict[str, str]:
        return {
            "SANDBOX_ERP_URL": f"http://127.0.0.1:{self.erp.port}",
            "SANDBOX_STORES_URL": f"http://127.0.0.1:{self.stores.port}",
            "SANDBOX_LOYALTY_URL": f"https://127.0.0.1:{self.loyalty.port}",
            "SANDBOX_ERP_CREDENTIALS": "TILLGATE:sandbox",
            "SANDBOX_LOYALTY_CREDENTIALS": "sandbox",
            "TILLGATE_PLACE_POSLOG": "/nowhere",
            "SECRETS_FOLDER": str(self.certificates.folder),
        }


class WebServer:
    """The product's web server as in production, behind a proxy with a stable port. Started again whenever it was
    killed."""

    def __init__(self, folder: Path, environment: dict[str, str], seed: int) -> None:
        self.environment, self.log = environment, (folder / "web.log").open("ab")
        self.proxy = FaultProxy(("127.0.0.1", 1), seed=seed + 5).start()
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.proxy.upstream = ("127.0.0.1", port)
        command = [sys.executable, *web_server.arguments(port, workers=2)[:-1], "tests.faults.web_app:application"]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),  # and its processes with it: `web_app.py`
        )
        self.starts += 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    def children(self) -> list[int]:
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def await_answer(self, seconds: float = 240.0) -> None:
        """Wait until it serves."""
        ends = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url + "/health/live", timeout=2):
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"the web server does not answer; see {self.log.name}")
            time.sleep(0.1)

    def keep(self) -> bool:
        """Start it again where it has ended. Answers whether it had to."""
        if self.process is None or self.process.poll() is None:
            return False
        self.end()
        self.start()
        return True

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Its whole group."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        self.end()
        self.process = None
        self.proxy.stop()
        self.log.close()


class Installation:
    """Everything together. Django in this process speaks to the database through a proxy that is never broken."""

    def __init__(self, folder: Path, seed: int, *, own: bool, lease: float, kinds: Collection[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.seed, self.lease = folder, seed, lease
        self.servers = Servers(folder, seed, own=own, kinds=kinds)
        self.vendors = Vendors(folder, seed)
        self.processes: Processes | None = None
        self.web: WebServer | None = None
        self.poison: set[str] = set()  # sales that the ERP fails for ever, of all rounds so far
        self.goes_on: set[str] = set()  # sales of rounds before that may still be tried or asked about
        self.volume: Any = None  # of the message log, where it is to become full (`database_faults.py`)
        self.history = History(folder / "history.jsonl")

    def prepare_django(self) -> None:
        """Settings of this process; migrations on a server of our own."""
        os.environ |= {
            "DATABASE_URL": at_port(self.servers.postgres_url, self.servers.admin.port),
            "REDIS_URL": at_port(self.servers.redis_url, self.servers.redis.port),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "STATE_DIR": str(self.folder / "state"),
            "PGOPTIONS": WRITES_ALWAYS,
            "EGRESS_SYSTEMS": "private loopback",
            "SECRETS_FOLDER": str(self.vendors.certificates.folder),
            "SECRET_PREFIXES": "SANDBOX_",  # the workers have it by their demo
        }
        os.environ.setdefault("SECRET_KEY", "faults")
        accept_everything()
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=os.environ, check=True)
        import django

        django.setup()

    def start_processes(self, database_url: str | None = None, plant: str | None = None) -> Processes:
        environment = (
            os.environ
            | self.vendors.environment()
            | {
                "DATABASE_URL": at_port(database_url or self.servers.postgres_url, self.servers.postgres.port),
                "REDIS_URL": at_port(self.servers.redis_url, self.servers.redis.port),
                "TILLGATE_LEASE_SECONDS": str(self.lease),
                "PYTHONDONTWRITEBYTECODE": "1",
                "CAMPAIGN_PLANT": plant or "",
            }
        )
        environment.pop("PGOPTIONS", None)
        environment.setdefault("SECRET_KEY", "faults")
        self.processes = Processes(self.folder, environment)
        self.web = WebServer(self.folder, environment, self.seed)
        return self.processes

    def serve(self) -> WebServer:
        """The web server, started when it is first needed."""
        assert self.web is not None
        if self.web.process is None:
            self.web.start()
            self.web.await_answer()
        return self.web

    def stop(self) -> None:
        if self.processes is not None:
            self.processes.stop()
        if self.web is not None:
            self.web.stop()
        self.vendors.stop()
        self.servers.stop()
        if self.volume is not None:
            self.volume.release()

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
