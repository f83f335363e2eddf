"""The whole product around a journey: the demo retailer in the test database, the emulators as a process, workers as
processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from portal import demo
from runtime.ledger import connections
from runtime.ledger.partitions import ensure
from sandbox.client import Sandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(state=tmp_path / "sandbox", seed=7) as running:
        yield running


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Where stores drop POSLog files."""
    folder = tmp_path / "poslog" / "incoming"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def estate(
    sandbox: Sandbox, drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings, transactional_db
) -> Callable[..., str]:
    """`estate(deploy_everything=False)`: the demo retailer, pointed at the emulators."""
    given = {
        "SANDBOX_ERP_URL": sandbox.erp.url,
        "SANDBOX_STORES_URL": sandbox.stores.url,
        "SANDBOX_LOYALTY_URL": sandbox.loyalty.url,
        "SANDBOX_ERP_CREDENTIALS": "TILLGATE:sandbox",
        "SANDBOX_LOYALTY_CREDENTIALS": "sandbox",
        "TILLGATE_PLACE_POSLOG": str(drop.parent),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.STATE_DIR = tmp_path / "state"
    with connections.connected() as conn:
        ensure(conn)
    return demo.apply


@pytest.fixture
def process(estate: object) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`process("portal.worker", "--concurrency", "0", TILLGATE_LEASE_SECONDS="2")`: a process of the product on the
    test database."""
    started: list[subprocess.Popen[bytes]] = []
    d = connection.settings_dict
    url = f"postgresql://{quote(d['USER'])}:{quote(d['PASSWORD'])}@{d['HOST']}:{d['PORT']}/{d['NAME']}"

    def start(module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        env = dict(os.environ, DATABASE_URL=url, SECRET_KEY="tests", **environment)
        made = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, env=env, start_new_session=True)
        started.append(made)
        return made

    yield start
    for one in started:
        if one.poll() is None:
            os.killpg(one.pid, signal.SIGKILL)
        one.wait()
