"""Processes of an older commit and of this one over one database, as while an installation is replaced process by
process: tills, workers and pipelines on both sides; nothing is lost, nothing comes twice, nobody is answered a 500."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from portal.embedded import free_port
from sandbox.client import Sandbox

ROOT = Path(__file__).resolve().parents[2]
EVERYDAY = 0  # two installations beside each other
pytestmark = pytest.mark.thorough
# The code of 2026-11-30: some twenty migrations back, with functions and triggers that changed since.
BEFORE = "c352840345"
BATCH = 5
WAIT = 90.0  # seconds
SEED = """
import json, sys
import django; django.setup()
from kernel import tokens
from kernel.models import User
from portal import demo
demo.apply(deploy_everything=True)
def token(name, *scopes):
    return tokens.issue(actor=None, user=User.objects.get(username=name), name="tried", scopes=list(scopes), days=9)[1]
print(json.dumps({"till": token("ivy", "runtime:write"), "pipeline": token("pipeline", "gate:ask")}))
"""
MANIFEST = Path("deploy/demo/integrations/sales.yaml")
READ_FROM_FILES = re.compile(r"    connection:\n      protocol: poslog\n(      .*\n)+|^schedule: .*\n", re.MULTILINE)


def _has_history() -> bool:
    return not subprocess.run(
        ["git", "cat-file", "-e", f"{BEFORE}^{{commit}}"], cwd=ROOT, capture_output=True
    ).returncode


@dataclass
class Installation:
    """One database, an emulated estate, and processes of two code bases."""

    folder: Path
    url: str
    sandbox: Sandbox
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def before(self) -> Path:
        return self.folder / "before"

    def environment(self, code: Path) -> dict[str, str]:
        dropped = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "PGOPTIONS")
        return {name: value for name, value in os.environ.items() if name not in dropped} | {
            "DATABASE_URL": self.url,
            "SECRET_KEY": "two-versions",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONPATH": f"{code}:{code / 'contracts'}:{code / 'cli'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "STATE_DIR": str(self.folder / f"state-{code.name}"),
            "WITNESS_FILE": f"no-witness-of-{self.url.rpartition('/')[2]}",
            "EGRESS_SYSTEMS": "private loopback",
            "TILLGATE_LEASE_SECONDS": "5",
            "SANDBOX_ERP_URL": self.sandbox.erp.url,
            "SANDBOX_STORES_URL": self.sandbox.stores.url,
            "SANDBOX_LOYALTY_URL": self.sandbox.loyalty.url,
            "SANDBOX_ERP_CREDENTIALS": "TILLGATE:sandbox",
            "SANDBOX_LOYALTY_CREDENTIALS": "sandbox",
            "TILLGATE_PLACE_POSLOG": str(self.folder / "poslog"),
        }

    def run(self, code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=code,
            env=self.environment(code),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def start(self, code: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            made = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=code,
                env=self.environment(code),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(made)
        return made

    def web(self, code: Path, name: str) -> int:
        port = free_port()
        self.start(code, name, "portal.web_server", "--port", str(port))
        until(lambda: ask(port, "GET", "/health/live")[0] == 200, f"{name} to live", self.folder / f"{name}.log")
        return port

    def worker(self, code: Path, name: str) -> subprocess.Popen[bytes]:
        return self.start(code, name, "portal.worker", "--concurrency", "0", "--collectors", "1")

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        for one in processes:
            one.send_signal(signal.SIGTERM)
        for one in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(40)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()

    def posted(self) -> Counter[str]:
        return Counter(one.ref for one in self.sandbox.erp.journal() if one.effect == "sale.posted" and one.ref)

    def one(self, statement: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as conn:
            row = conn.execute(statement.encode()).fetchone()
        return row[0] if row else None


def until(true: Callable[[], object], what: str, log: Path | None = None, till: Till | None = None) -> None:
    end, quiet = time.monotonic() + WAIT, threading.Event()
    while not true():
        said = log.read_text()[-3000:] if log is not None else ""
        said += f" {till.told} {till.said[:2]}" if till is not None else ""
        assert time.monotonic() < end, f"waited {WAIT:.0f} s for {what}: {said}"
        quiet.wait(0.1)


def ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Status and document; 0 where nobody answers."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        line.request(method, path, None if body is None else json.dumps(body), headers)
        answer = line.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text
    except OSError:
        return 0, None
    finally:
        line.close()


def sale(number: int) -> dict[str, Any]:
    line = {"sequence": 1, "kind": "sale", "item": "4711", "quantity": 1, "amount": 10}
    common = {"kind": "retail", "store": "1", "till": "1", "businessDate": "2026-11-23", "currency": "EUR", "total": 10}
    return {"id": f"1/1/2026-11-23/{number}", "sequence": number, **common, "lines": [line]}


class Till(threading.Thread):
    """Hands in batches until it is told to stop, each until it is taken; every third one a second time, elsewhere."""

    def __init__(self, secret: str, first: int, ports: list[int]) -> None:
        super().__init__(daemon=True)
        self.secret, self.next, self.ports = secret, first, ports
        self.over, self.told, self.taken = threading.Event(), Counter[tuple[int, int]](), 0
        self.calls = 0
        self.said: list[Any] = []

    def run(self) -> None:
        while not self.over.is_set():
            items = [sale(self.next + number) for number in range(BATCH)]
            times = 2 if self.taken % 3 == 0 else 1
            for _ in range(times):
                while not self.hand_in(items, self.port()):
                    if self.over.wait(0.1):
                        return
            self.taken += 1
            self.next += BATCH
            self.over.wait(0.02)

    def port(self) -> int:
        """In turn, as a balancer does; of who went away the next one is asked."""
        self.calls += 1
        return self.ports[self.calls % len(self.ports)]

    def hand_in(self, items: list[Any], port: int) -> bool:
        path = "/api/v1/intake/sales/?environment=production"
        status, said = ask(port, "POST", path, {"items": items}, self.secret)
        self.told[port, status] += 1
        if status not in (202, 503, 0):
            self.said.append(said)
        return status == 202


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """The demo retailer as the code of before made it; sales come in by HTTP."""
    if not _has_history():
        pytest.skip(f"commit {BEFORE} is not here: fetch the whole history")
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = f"two_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'create database "{name}"'.encode())
        with Sandbox(state=tmp_path / "sandbox", seed=7) as sandbox:
            made = Installation(tmp_path, f"{server}/{name}", sandbox)
            made.before.mkdir()
            (tmp_path / "poslog" / "incoming").mkdir(parents=True)
            packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
            subprocess.run(["tar", "-x", "-C", str(made.before)], input=packed, check=True)
            manifest = made.before / MANIFEST
            manifest.write_text(READ_FROM_FILES.sub("", manifest.read_text()))
            try:
                done = made.run(made.before, "manage.py", "migrate", "--noinput", "-v0")
                assert done.returncode == 0, done.stderr[-3000:]
                done = made.run(made.before, "-c", SEED)
                assert done.returncode == 0, done.stderr[-3000:]
                made.secrets = json.loads(done.stdout.splitlines()[-1])
                yield made
            finally:
                made.end(*made.running)
                admin.execute(f'drop database if exists "{name}" with (force)'.encode())


def verdict(made: Installation, port: int) -> tuple[int, Any]:
    body = {"application": "web-shop", "version": "4.12.0", "environment": "production", "consumes": ["price-api@v2"]}
    return ask(port, "POST", "/api/v1/gate/verdicts", body, made.secrets["pipeline"])


def test_an_older_release_serves_on_beside_this_one_while_processes_are_replaced(installation: Installation) -> None:
    made, logs = installation, installation.folder
    old_web, old_worker = made.web(made.before, "old-web"), made.worker(made.before, "old-worker")
    till = Till(made.secrets["till"], 1, [old_web])
    till.start()
    until(lambda: till.taken, "the first batch", logs / "old-web.log", till)
    until(lambda: sum(made.posted().values()) >= 10 * BATCH, "the first sales", logs / "old-worker.log", till)
    asked = [verdict(made, old_web)]

    new_web = made.web(ROOT, "new-web")  # before the migration: it says so and is not sent anything
    until(lambda: ask(new_web, "GET", "/health/ready")[1]["migrations"] == "pending", "the word of the new one")
    assert ask(new_web, "GET", "/health/ready")[0] == 503

    done = made.run(ROOT, "manage.py", "migrate", "--noinput", "-v0")
    assert done.returncode == 0, done.stderr[-3000:]
    asked.append(verdict(made, old_web))
    before = made.one("select count(*) from runtime_message")
    until(lambda: made.one("select count(*) from runtime_message") > before + 5 * BATCH, "old intake on the new schema")

    until(lambda: ask(new_web, "GET", "/health/ready")[0] == 200, "the new one", logs / "new-web.log")
    new_worker = made.worker(ROOT, "new-worker")
    till.ports.append(new_web)
    until(lambda: till.told[new_web, 202] > 20, "new intake", logs / "new-web.log")
    asked += [verdict(made, port) for port in (new_web, old_web, new_web)]
    made.end(old_worker)
    until(lambda: till.told[new_web, 202] > 40, "the new worker alone", logs / "new-worker.log")
    made.end(made.running[0])
    until(lambda: till.told[new_web, 202] > 60, "the new ones alone", logs / "new-web.log")
    till.over.set()
    till.join(60)
    till.over.clear()

    assert {status for _, status in till.told} <= {202, 503, 0}, till.said[:3]
    assert [status for status, _ in asked] == [200] * 5 or [status for status, _ in asked] == [201] * 5, asked
    assert len({answer["verdict"] for _, answer in asked}) == 1, asked
    taken = made.one("select count(*) from runtime_message")
    until(lambda: len(made.posted()) >= taken, "all deliveries", logs / "new-worker.log")
    assert taken >= till.taken * BATCH
    assert made.one("select count(distinct key) from runtime_message") == taken
    assert [ref for ref, times in made.posted().items() if times > 1] == []
    for log in ("old-web", "old-worker", "new-web", "new-worker"):
        assert "Traceback" not in (logs / f"{log}.log").read_text(), (logs / f"{log}.log").read_text()[-3000:]
    checked = made.run(ROOT, "manage.py", "verify_ledger", "--no-witness")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert new_worker.poll() is None
