"""The how-to *Your first integration* is walked as it stands: its commands are read from the page and run, against SAP
CAP and the product as `make up` starts it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.embedded import free_port
from tests.portal.test_up_goes_on import until
from tests.runtime.connectors import odata_server

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "first-integration.md").read_text()
STEPS = re.findall(r"^```sh(?: (terminal-\d))?\n(.*?)^```$", PAGE, re.S | re.M)
WAIT = 600.0
SET_BY_US = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "DEMO", "STATE_DIR", "PORT"}


def test_the_page_has_its_terminals_and_more_than_ten_calls() -> None:
    assert [name for name, _ in STEPS if name] == ["terminal-1", "terminal-2"]
    assert sum(len(re.findall("^as ", step, re.M)) for _, step in STEPS) > 10


@contextlib.contextmanager
def terminal(commands: str, folder: Path, answers: str) -> Iterator[None]:
    """A terminal in which a server is started; it is there once the address answers anything."""
    environment = {name: value for name, value in os.environ.items() if name not in SET_BY_US}
    log = folder / f"{re.sub('[^0-9]', '', answers)}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-ec", commands], cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        until(lambda: process.poll() is not None or _answers(answers), WAIT)
        assert process.poll() is None, log.read_text()[-3000:]
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


@pytest.mark.thorough
@pytest.mark.skipif(bool(odata_server.missing()), reason=odata_server.missing() or "there")
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_a_stranger_walks_the_page_to_a_thousand_texts(tmp_path: Path) -> None:
    product, shop = free_port(), free_port()
    said = {
        "/tmp/first-integration": str(tmp_path),
        "127.0.0.1:8000": f"127.0.0.1:{product}",
        "127.0.0.1:4004": f"127.0.0.1:{shop}",
        "--port 4004": f"--port {shop}",
        # a test installs nothing: the packages are there
        "make up\n": f"STATE_DIR={tmp_path}/state PORT={product} exec {sys.executable} -m portal.up\n",
        "npm ci --ignore-scripts --no-audit --no-fund\n": (
            f"ln -s {odata_server.peers() / 'odata' / 'node_modules'} node_modules\n"
        ),
        "\nnode node_modules": "\nexec node --no-deprecation node_modules",
    }

    def here(commands: str) -> str:
        for given, ours in said.items():
            commands = commands.replace(given, ours)
        return commands

    started = {name: here(step) for name, step in STEPS if name}
    walked = "\n".join(here(step) for name, step in STEPS if not name)
    with (
        terminal(started["terminal-2"], tmp_path, f"http://127.0.0.1:{shop}/"),
        terminal(started["terminal-1"], tmp_path, f"http://127.0.0.1:{product}/health/ready"),
    ):
        began = time.monotonic()
        told = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", walked], cwd=ROOT, capture_output=True, text=True, timeout=WAIT
        )
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    assert "1000 texts" in told.stdout
    assert told.stdout.rstrip().endswith("[]"), told.stdout[-2000:]
    assert time.monotonic() - began < WAIT
