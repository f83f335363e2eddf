"""Tillgate as on servers of one's own: a PostgreSQL whose owner is no superuser and whose serving role owns nothing, a
Valkey with a password, a proxy that ends TLS, and the guard with nothing accepted."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from portal.demo_keys import statement_key
from portal.embedded import Embedded, free_port
from tests.portal.tls_proxy import TlsProxy

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1.nip.example"  # not of this machine, for the guard; requests name it and go to loopback
PASSWORD = "a long one of their own 7"


class Production:
    def __init__(self, folder: Path) -> None:
        folder.chmod(0o711)
        self.folder, self.port = folder, free_port()
        self.servers = Embedded(folder / "state", durable=False)
        self.owner, self.serving = "tillgate_owner", "tillgate_serving"
        self.words = {name: secrets.token_urlsafe(24) for name in (self.owner, self.serving)}
        self.key, self.fallbacks = secrets.token_urlsafe(64), ""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.proxy: TlsProxy | None = None

    def start_servers(self) -> None:
        self.superuser = self.servers.start_postgres()
        self.redis = self.servers.start_valkey()
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            for role, word in self.words.items():
                conn.execute(f"drop role if exists {role}")
                conn.execute(f"create role {role} login password '{word}' nosuperuser nocreaterole nocreatedb")
            conn.execute(f"create database shop owner {self.owner}")

    def address(self, role: str) -> str:
        server = self.superuser.rpartition("@")[2].partition("/")[0]
        return f"postgresql://{role}:{self.words[role]}@{server}/shop"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPYCACHEPREFIX") if name in os.environ}
        return kept | {
            "DATABASE_URL": self.address(self.serving),
            "REDIS_URL": self.redis,
            "SECRET_KEY": self.key,
            "SECRET_KEY_FALLBACKS": self.fallbacks,
            "STATEMENT_KEYS_FILE": str(statement_key(self.folder)),
            "STATE_DIR": str(self.folder / "own"),
            "WITNESS_FILE": str(self.folder / "elsewhere" / "heads.jsonl"),
            "PUBLIC_URL": f"https://{HOST}",
            "ALLOWED_HOSTS": HOST,
            "HTTPS": "yes",
            "BEHIND_PROXY": "yes",
            "TRUSTED_PROXIES": "1",
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": "9",
            "STATIC_ROOT": str(self.folder / "static"),
            "DEMO": "no",
            "TILLGATE_LIFE": str(self.folder / "life"),
            "SECRET_PREFIXES": "SANDBOX_",
            "SANDBOX_ERP_CREDENTIALS": "x:y",
            "SANDBOX_LOYALTY_CREDENTIALS": "x",
            "TILLGATE_PLACE_POSLOG": str(self.folder),
            **more,
        }

    def manage(self, *words: str, given: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            input=given,
            timeout=600,
        )

    def start(self) -> None:
        for name, words in {
            "web": f"-m portal.web_server --port {self.port}",
            "worker": "-m portal.worker --concurrency 1",
            "scheduler": "-m portal.scheduler",
        }.items():
            with (self.folder / f"{name}.log").open("ab") as out:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, *words.split()],
                    cwd=ROOT,
                    env=self.environment(),
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
        self.proxy = self.proxy or TlsProxy(self.folder / "tls", self.port)
        until(self.ready)

    def ready(self) -> bool:
        assert all(one.poll() is None for one in self.processes.values()), self.said()
        try:
            return self.browser().get("/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        return "\n".join(f"{file.name}: {file.read_text()[-3000:]}" for file in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        for one in self.processes.values():
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGTERM)
        for one in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(30)
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
        self.processes.clear()

    def restart(self) -> None:
        self.stop()
        self.start()

    def as_superuser(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.superuser.rpartition("/")[0] + "/shop", autocommit=True)

    def change_secret_key(self) -> None:
        self.key, self.fallbacks = secrets.token_urlsafe(64), self.key

    def change_statement_key(self) -> None:
        """The new one before the old one, which verifies what it signed."""
        file = statement_key(self.folder)
        before = file.read_text()
        file.unlink()
        file.write_text(statement_key(self.folder).read_text() + before)

    def change_redis_password(self) -> None:
        new = secrets.token_urlsafe(24)
        with redis.Redis.from_url(self.redis) as store:
            store.config_set("requirepass", new)
            store.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.redis = f"redis://:{new}@{self.redis.rpartition('@')[2]}"

    def change_serving_password(self) -> None:
        self.words[self.serving] = secrets.token_urlsafe(24)
        with self.as_superuser() as conn:
            conn.execute(f"alter role {self.serving} password '{self.words[self.serving]}'")

    def heads(self) -> int:
        file = self.folder / "elsewhere" / "heads.jsonl"
        return file.read_text().count("\n") if file.exists() else 0

    def browser(self) -> httpx.Client:
        assert self.proxy is not None
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.proxy.port}",
            headers={"Host": HOST, "Referer": f"https://{HOST}/"},
            verify=self.proxy.trusted(),
            timeout=60,
        )

    @contextlib.contextmanager
    def signed_in(self, name: str, password: str = PASSWORD) -> Iterator[httpx.Client]:
        with self.browser() as browser:
            browser.get("/sign-in/")
            browser.headers["X-CSRFToken"] = _cookie(browser, "__Host-csrftoken")
            answer = browser.post("/sign-in/", data={"username": name, "password": password})
            assert answer.status_code == 302, (answer.status_code, answer.text[-2000:])
            browser.headers["X-CSRFToken"] = _cookie(browser, "__Host-csrftoken")
            yield browser

    def close(self) -> None:
        self.stop()
        if self.proxy is not None:
            self.proxy.close()
        self.servers.stop()


def _cookie(browser: httpx.Client, name: str) -> str:
    return next(str(cookie.value) for cookie in browser.cookies.jar if cookie.name == name)


def good(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.status_code, answer.text[:2000])
    return answer.json()


def until(there: Callable[[], bool], seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < limit, f"not within {seconds:.0f} s"
        time.sleep(0.2)
