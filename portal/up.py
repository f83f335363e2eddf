"""`make up`: services, database, demo, processes; Ctrl-C stops the processes first, then the services.

A plain supervisor without Django: it shows each step with its time, says in one line what is wrong, and never leaves a
process behind (children ask the kernel to be ended with their parent).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from kernel import life_signs
from kernel.processes import die_with_parent, how_it_ended
from portal import private_state, process_supervisor, running_here, web_server
from portal.demo_keys import statement_key
from portal.embedded import Embedded, EmbeddedError
from portal.sign_ins import PASSWORD, SIGN_INS
from portal.stillness import Attendant

ROOT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 20.0
LASTING = 60.0  # seconds: what lived shorter than this has not recovered
SERVED_SECONDS = 180  # for the first answer: many processes start at once, on a machine that may be busy
MINIMUM_POSTGRES = 150000
SUPERVISED = ("web", "worker", "scheduler")
# What the emulators accept by default; on loopback only.
DEMO_CREDENTIALS = {"SANDBOX_ERP_CREDENTIALS": "TILLGATE:sandbox", "SANDBOX_LOYALTY_CREDENTIALS": "sandbox"}


class StartRefused(Exception):
    """The reason why nothing was started, in one line."""


@dataclass
class Revival:
    """When something that ended by itself is started again: at once, and with longer pauses where it does not last."""

    began: float = field(default_factory=time.monotonic)
    short_lives: int = 0
    next_start: float = 0.0
    noticed: bool = False

    def notice(self) -> float:
        """It has ended; how many seconds from now it is started again."""
        self.noticed = True
        self.short_lives = self.short_lives + 1 if time.monotonic() - self.began < LASTING else 0
        pause = process_supervisor.pause_after(self.short_lives)
        self.next_start = time.monotonic() + pause
        return pause

    def due(self) -> bool:
        return time.monotonic() >= self.next_start

    def started(self) -> None:
        self.noticed, self.began = False, time.monotonic()


class LocalInstallation:
    """Starts, watches and stops the processes of one installation."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.began = time.monotonic()
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.services: Embedded | None = None
        self.commands: dict[str, list[str]] = {}
        self.revivals: dict[str, Revival] = {}
        self.stopping = threading.Event()
        self.attendant: Attendant | None = None
        self.owner = ""  # the URL of the tables' owner, which only the step that migrates is given
        self.environment = dict(
            os.environ, PYTHONUNBUFFERED="1", DJANGO_SETTINGS_MODULE="portal.settings", STATE_DIR=str(state)
        )

    def say(self, text: str) -> None:
        print(f"  {time.monotonic() - self.began:5.1f}s  {text}", flush=True)

    # -- steps -----------------------------------------------------------------------------------------------------
    def start_services(self) -> None:
        given_database, given_redis = self.environment.get("DATABASE_URL"), self.environment.get("REDIS_URL")
        self.owner = self.environment.pop("DATABASE_OWNER_URL", "")
        if given_database:
            check_database(self.owner or given_database, "DATABASE_OWNER_URL" if self.owner else "DATABASE_URL")
            self.say("PostgreSQL: the one of DATABASE_URL")
        if given_redis:
            check_redis(given_redis)
            self.say("Redis: the one of REDIS_URL")
        if not (given_database and given_redis) or not self.environment.get("SECRET_KEY"):
            self.services = Embedded(self.state)
            if not self.services.data.exists():
                self.say("PostgreSQL: creating a private one, at the first start only")
            self.environment.setdefault("SECRET_KEY", self.services.secrets["django"])
        if not {"STATEMENT_KEYS", "STATEMENT_KEYS_FILE"} & set(self.environment):
            self.environment["STATEMENT_KEYS_FILE"] = str(statement_key(self.state))
        if self.services and not given_database:
            self.owner = self.services.start_postgres()
            self.environment["DATABASE_URL"] = self.services.serving_url()
            self.say(f"PostgreSQL: private, data in {self.services.data}")
        if self.services and not given_redis:
            self.environment["REDIS_URL"] = self.services.start_valkey()
            self.say("Valkey: private")

    def start_sandbox(self) -> None:
        """The emulated ERP, stores and loyalty engine. Their addresses reach the demo data through the environment."""
        folder = private_state.make(self.state / "sandbox")
        ports_file = folder / "ports.json"
        known = json.loads(ports_file.read_text()) if ports_file.exists() else {}
        command = [sys.executable, "-m", "sandbox", "--state", str(folder), "--with-parent"]
        if data := os.environ.get("SANDBOX_DATA"):
            command += ["--data", data]
        for name, option in (("erp", "--erp-port"), ("stores", "--store-port"), ("loyalty", "--loyalty-port")):
            port = known.get(name, 0)
            command += [option, str(port if port and port_is_free(port) else 0)]
        child = self.spawn("sandbox", command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        line = child.stdout.readline()
        try:
            ports: dict[str, int] = json.loads(line)["ports"]
        except (ValueError, KeyError):
            raise StartRefused(
                f"The sandbox did not start: {line.decode(errors='replace').strip() or 'no output'}"
            ) from None
        ports_file.write_text(json.dumps(ports))
        for name, option in (("erp", "--erp-port"), ("stores", "--store-port"), ("loyalty", "--loyalty-port")):
            command[command.index(option) + 1] = str(ports[name])  # the same, should it have to start again
        for name, port in ports.items():
            self.environment[f"SANDBOX_{name.upper()}_URL"] = f"http://127.0.0.1:{port}"
        self.environment |= DEMO_CREDENTIALS
        self.environment.setdefault("EMAIL_BACKEND", "portal.mail_files.EmailBackend")
        drop = self.state / "poslog"
        self.environment["TILLGATE_PLACE_POSLOG"] = str(drop)
        if not drop.exists():
            private_state.make(private_state.make(drop) / "incoming")
            if "SANDBOX_DATA" not in os.environ:
                open_the_shops(self.environment["SANDBOX_STORES_URL"], drop / "incoming")
        self.pump("sandbox", child)
        self.say("Sandbox: emulated ERP, six stores and loyalty engine answer")

    def boot(self) -> None:
        """Migrations, static files and demo data in one process, so that Django is loaded once."""
        self.say("Database: checking what has to be migrated (the first start takes one to two minutes)")
        command = [sys.executable, "manage.py", "boot"]
        environment = self.environment | ({"DATABASE_OWNER_URL": self.owner} if self.owner else {})
        preparing = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, umask=private_state.UMASK
        )
        assert preparing.stdout is not None
        for line in preparing.stdout:
            self.say(line.rstrip())
        failed = preparing.wait()
        if self.stopping.is_set():
            raise StartRefused("Stopped while the database was prepared. The next start goes on from here.")
        if failed:
            raise StartRefused("Preparing the database failed; the lines above say why. Nothing was started.")

    def start_processes(self, port: int) -> None:
        self.say("Starting web server, worker and scheduler")
        self.environment.setdefault("EXPECTED_WORKERS", "delivery=1 collectors=3")
        os.environ[life_signs.FOLDER] = self.environment[life_signs.FOLDER] = str(self.state / "life")
        self.attendant = Attendant(life_signs.folder(make=True), self.say)
        web = web_server.attended(port)
        for name, started in (
            ("web", web),
            ("worker", ["-m", "portal.worker"]),
            ("scheduler", ["-m", "portal.scheduler"]),
        ):
            self.pump(name, self.spawn(name, [sys.executable, *started], stdout=subprocess.PIPE))
        wait_until_served(port, self.children["web"])

    # -- children --------------------------------------------------------------------------------------------------
    def spawn(self, name: str, command: list[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
        self.commands[name] = command
        child = subprocess.Popen(
            command,
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
            umask=private_state.UMASK,
        )
        self.children[name] = child
        return child

    def pump(self, name: str, child: subprocess.Popen[bytes]) -> None:
        def copy() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                sys.stdout.write(f"{name:9}| {line.decode(errors='replace')}")
                sys.stdout.flush()

        threading.Thread(target=copy, daemon=True).start()

    def watch(self) -> int:
        """Until a signal comes. What ends by itself is started again; the others wait for it meanwhile."""
        while not self.stopping.wait(0.3):
            self.end_what_stands_still()
            for name, code in self.ended().items():
                revival = self.revivals.setdefault(name, Revival())
                if not revival.noticed:
                    pause = revival.notice()
                    if self.attendant is not None and name in SUPERVISED:
                        self.attendant.has_ended(f"{name} supervisor", self.children[name].pid, how_it_ended(code))
                    self.say(f"{name} {how_it_ended(code)}; it starts again {f'in {pause:.0f} s' if pause else 'now'}")
                elif revival.due():
                    self.start_again(name)
        return 0

    def end_what_stands_still(self) -> None:
        if self.attendant is not None:
            roles = {child.pid: f"{name} supervisor" for name, child in self.children.items() if name in SUPERVISED}
            self.attendant.attend(roles, kill_group)

    def ended(self) -> dict[str, int]:
        """What has ended by itself, and with which code."""
        of_ours = {name: code for name, child in self.children.items() if (code := child.poll()) is not None}
        return {**(self.services.ended() if self.services else {}), **of_ours}

    def start_again(self, name: str) -> None:
        try:
            if name in self.children:
                self.pump(name, self.spawn(name, self.commands[name], stdout=subprocess.PIPE))
            else:
                assert self.services is not None
                self.services.revive(name)
                self.say(f"{name} is there again")
        except (EmbeddedError, OSError) as error:  # a full disk, no process or file left: tried again after the pause
            self.say(f"{name}: {error}")
        finally:
            self.revivals[name].started()

    def stop(self) -> None:
        if self.children:
            self.say("Stopping.")
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        limit = time.monotonic() + GRACE_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                kill_group(child.pid)
                child.wait()
        if self.services:
            self.services.stop()


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def open_the_shops(stores_url: str, drop: Path) -> None:
    """A first morning of sales in every store, as POSLog files where the stores drop them."""
    import urllib.request

    orders = {"sell": {"count": 60, "store": "all", "drop": str(drop)}}
    body = json.dumps(orders).encode()
    request = urllib.request.Request(f"{stores_url}/_control", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the emulator on loopback
        answer.read()


def check_database(url: str, name: str = "DATABASE_URL") -> None:
    """Refuses, in one line, a URL that cannot be used: wrong form, no answer, wrong password, too old, no rights."""
    import psycopg

    from kernel.postgresql.pooler import PoolerInTheWay, refuse_transaction_mode

    if urlsplit(url).scheme not in {"postgres", "postgresql"}:
        raise StartRefused(
            f"{name} looks like postgresql://user:password@host:5432/name; only PostgreSQL 15 or newer will do."
        )
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            version = connection.info.server_version
            row = connection.execute(
                "select has_schema_privilege(current_user, 'public', 'create'), current_user, current_database()"
            ).fetchone()
            if os.environ.get("DATABASE_POOLER") != "transaction":
                refuse_transaction_mode(connection, lambda: psycopg.connect(url, connect_timeout=5, autocommit=True))
    except PoolerInTheWay as error:
        raise StartRefused(f"{name}: {error}") from None
    except psycopg.OperationalError as error:
        raise StartRefused(f"{name}: {str(error).strip().splitlines()[0]}") from None
    if version < MINIMUM_POSTGRES:
        raise StartRefused(f"{name}: the server is PostgreSQL {version // 10000}; Tillgate needs 15 or newer.")
    if row and not row[0]:
        raise StartRefused(
            f"{name}: the user {row[1]} may not create tables in database {row[2]}. "
            f"Grant it: grant create on schema public to {row[1]};"
        )


def check_redis(url: str) -> None:
    import redis

    try:
        redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5).ping()
    except (redis.RedisError, ValueError) as error:
        raise StartRefused(f"REDIS_URL: {error}") from None


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def choose_port() -> int:
    """PORT if set (refused when taken), else 8000 or the next free one."""
    wanted = os.environ.get("PORT")
    if wanted is not None:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise StartRefused(f"PORT is a number from 1 to 65535, not {wanted!r}.")
        if not port_is_free(int(wanted)):
            raise StartRefused(f"Port {wanted} is taken by another program. Choose another: PORT=8001 make up")
        return int(wanted)
    return next((port for port in range(8000, 8100) if port_is_free(port)), 0) or _no_port()


def _no_port() -> int:
    raise StartRefused("All ports from 8000 to 8099 are taken. Choose one: PORT=9000 make up")


def wait_until_served(port: int, web: subprocess.Popen[bytes]) -> None:
    import http.client

    limit = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < limit:
        if web.poll() is not None:
            raise StartRefused(f"The web server ended at once (exit code {web.returncode}).")
        with contextlib.suppress(OSError, http.client.HTTPException):
            probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            probe.request("GET", "/health/ready", headers={"Host": f"127.0.0.1:{port}"})
            if probe.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise StartRefused(f"The web server did not answer within {SERVED_SECONDS} s.")


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[IO[str]]:
    """One `make up` per state folder; the second learns where the first one serves, and changes nothing: the account of
    the private PostgreSQL passes through the folder of the first."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(state / running_here.LOCK, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600), "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            where = lock.read().strip() or "still starting"
            raise StartRefused(f"Tillgate is already up here: {where}. Stop it with Ctrl-C in its terminal.") from None
        private_state.make(state)
        private_state.tighten(state)
        running_here.remove(state)  # of one that was killed
        lock.truncate(0)
        yield lock


def main() -> int:
    state = Path(os.environ.get("STATE_DIR", ROOT / ".state")).resolve()
    supervisor = LocalInstallation(state)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    try:
        with only_one(state) as lock:
            try:
                port = choose_port()
                supervisor.environment.setdefault("PUBLIC_URL", f"http://127.0.0.1:{port}")
                print("Tillgate is starting.", flush=True)
                supervisor.start_services()
                supervisor.start_sandbox()
                supervisor.boot()
                supervisor.start_processes(port)
                running_here.write(state, os.environ, supervisor.environment, supervisor.owner)
                lock.write(f"http://127.0.0.1:{port} (process {os.getpid()})")
                lock.flush()
                print(greeting(port, time.monotonic() - supervisor.began, state), flush=True)
                return supervisor.watch()
            finally:
                running_here.remove(state)
                supervisor.stop()
                lock.seek(0)
                lock.truncate(0)
    except (StartRefused, EmbeddedError) as error:
        print(f"tillgate: {error}", file=sys.stderr, flush=True)
        return 1


def greeting(port: int, seconds: float, state: Path) -> str:
    """What a person who has just started Tillgate can do now: sign in, look around, ask the gate from a shell."""
    wide = max(len(one.role) for one in SIGN_INS)
    paths = max(len(one.page) for one in SIGN_INS)
    shown = os.path.relpath(state / "pipeline-token", ROOT) if state.is_relative_to(ROOT) else state / "pipeline-token"
    return f"""
Tillgate serves at http://127.0.0.1:{port} after {seconds:.0f} s.

Sign in with the password {PASSWORD} as:
{chr(10).join(f"  {one.name:6} {one.role:{wide}}  {one.page:{paths}}  {one.there}" for one in SIGN_INS)}

Ask the gate as a release pipeline does, in another terminal:
  export TILLGATE_URL=http://127.0.0.1:{port}
  export TILLGATE_TOKEN=$(cat {shown})
  .venv/bin/tillgate check --application web-shop --version 8.2.0 --environment production --consumes price-api@v2

Look inside, in another terminal: .venv/bin/python manage.py shell

Ctrl-C stops everything; the data stays. `make reset` clears it.
"""


if __name__ == "__main__":
    sys.exit(main())
