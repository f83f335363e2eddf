"""2,000 webhooks while web processes and the database are killed: what was answered with success is there, once, and no
state goes back. Judged by the vendor's own journal."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox.hook_sender import HookSender, taken
from sandbox.hook_signing import Event, secret_of
from tests.embedded_plugin import TEMPLATE, _state_of_migrations
from tests.faults.harness import ROOT, Servers, WebServer
from tests.faults.hook_world import SOURCES

pytestmark = [pytest.mark.faults, pytest.mark.thorough]
FACTS, STATES, CHANGES = 1_000, 800, 200
ATTACKS = 6
ITEMS = 40
DATABASE = "shop"


def migrated(folder: Path) -> tuple[Servers, str]:
    """Servers on a copy of the migrated template, and the database by way of the proxy."""
    folder.chmod(0o711)  # the server's own user enters it
    kept = ROOT / ".state" / "tests" / _state_of_migrations()
    (folder / "servers").mkdir()
    subprocess.run(["cp", "-a", f"{kept}/.", str(folder / "servers")], check=True)
    servers = Servers(folder, 1, own=True)
    with psycopg.connect(servers.postgres_url, autocommit=True) as conn:
        conn.execute(f'create database "{DATABASE}" template "{TEMPLATE}"')
    user = servers.postgres_url.rpartition("@")[0]
    return servers, f"{user}@127.0.0.1:{servers.postgres.port}/{DATABASE}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Servers, WebServer, dict[str, str]]]:
    servers, url = migrated(Path(tempfile.mkdtemp(prefix="tg-hooks-")))
    folder = tmp_path / "web"
    folder.mkdir()
    environment = os.environ | {
        "SECRET_KEY": "faults-faults-faults-faults-faults-faults-faults-faults",
        "DATABASE_URL": url,
        "REDIS_URL": servers.redis_url,
        "DEMO": "no",
        "STATE_DIR": str(folder),
        **{f"TILLGATE_WEBHOOK_{name.upper()}": secret_of(said["vendor"], "a") for name, said in SOURCES.items()},
    }
    web = WebServer(folder, environment, 1)
    try:
        web.environment["PUBLIC_URL"] = web.url
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.hook_world"],
            cwd=ROOT,
            env={**environment, "PUBLIC_URL": web.url, "DJANGO_SETTINGS_MODULE": "portal.settings"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        web.start()
        web.await_answer()
        yield servers, web, json.loads(done.stdout.splitlines()[-1])
    finally:
        web.stop()
        web.proxy.stop()
        servers.stop()
        shutil.rmtree(servers.embedded.state.parent, ignore_errors=True)


def events_of(name: str) -> list[Event]:
    now = time.time()
    if name == "payments":
        return [Event(f"evt_{n}", "payment.paid", {"value": n}, now, n) for n in range(FACTS)]
    if name == "orders":
        states = [{"id": f"o-{n % ITEMS}", "version": n, "total": f"{n}.50"} for n in range(STATES)]
        return [Event(f"w-{n}", "orders/updated", one, now, n) for n, one in enumerate(states)]
    return [Event(f"h-{n}", "store/product/updated", {"id": n % ITEMS}, now, n) for n in range(CHANGES)]


def attack(servers: Servers, web: WebServer, sending: list[threading.Thread]) -> list[str]:
    """Kill a web process, the database, the whole web server, in turn; what has ended is started again, until all is
    sent. In the thread of the test, with which what is started here ends."""
    dice, done = random.Random(7), list[str]()
    due, ends = time.monotonic() + 1.0, time.monotonic() + 600.0
    while any(thread.is_alive() for thread in sending) and time.monotonic() < ends:
        time.sleep(0.2)
        web.keep()  # where one of its processes is killed, the server itself ends a little later
        if len(done) == ATTACKS or time.monotonic() < due or not answers(web):
            continue
        kind = ("process", "database", "server")[len(done) % 3]
        if kind == "process" and (children := web.children()):
            os.kill(dice.choice(children), signal.SIGKILL)
        elif kind == "database":
            servers.restart_postgres()
        else:
            web.end()
        done.append(kind)
        due = time.monotonic() + dice.uniform(0.5, 2.0)
    return done


def answers(web: WebServer) -> bool:
    try:
        web.await_answer(0.5)
    except RuntimeError:
        return False
    return True


def rows(servers: Servers, statement: str) -> list[Any]:
    with psycopg.connect(f"{servers.postgres_url.rpartition('/')[0]}/{DATABASE}") as conn:
        return conn.execute(statement).fetchall()


LOG = """
select m.key, m.payload
  from runtime_message m
  join runtime_stream t on t.id = m.stream_id
  join runtime_integration i on i.id = t.integration_id
 where i.key = '{}'
 order by m.lane, m.position"""


def test_nothing_that_was_answered_with_success_is_lost_and_nothing_is_stored_twice(world, tmp_path: Path) -> None:
    servers, web, addresses = world
    senders = {
        name: HookSender(
            said["vendor"], addresses[name], secret_of(said["vendor"], "a"), tmp_path / f"{name}.jsonl", seed=n
        )
        for n, (name, said) in enumerate(SOURCES.items())
    }
    sending = [
        threading.Thread(target=one.send_all, args=(events_of(name),), kwargs={"threads": 3})
        for name, one in senders.items()
    ]
    for thread in sending:
        thread.start()
    attacks = attack(servers, web, sending)
    sent = {name: taken(one.journal) for name, one in senders.items()}
    assert {name: len(ids) for name, ids in sent.items()} == {"payments": FACTS, "orders": STATES, "products": CHANGES}
    assert {"process", "database", "server"} <= set(attacks), attacks
    broken = [json.loads(line)["status"] for line in (tmp_path / "payments.jsonl").read_text().splitlines()]
    assert any(not 200 <= status < 300 for status in broken), "nothing was cut off, so nothing was tried"

    facts = [key for key, _ in rows(servers, LOG.format("payments"))]
    assert sorted(facts) == sorted(f"evt_{n}" for n in range(FACTS)), "each fact is stored once"
    versions: dict[str, list[int]] = {}
    for key, payload in rows(servers, LOG.format("orders")):
        versions.setdefault(key, []).append(payload["version"])
    newest = {f"o-{n}": max(v for v in range(STATES) if v % ITEMS == n) for n in range(ITEMS)}
    assert {key: held[-1] for key, held in versions.items()} == newest, "the newest state of each key counts"
    assert all(held == sorted(set(held)) for held in versions.values()), (
        "no state is stored twice or behind a newer one"
    )
    noted = rows(servers, "select key from runtime_hooknotice where read_at is null")
    assert {key for (key,) in noted} == {str(n) for n in range(ITEMS)}, "each change waits to be read, once"
    assert rows(servers, "select count(*) from runtime_rejected") == [(0,)]
    assert rows(servers, "select count(*) from runtime_conflict") == [(0,)]
