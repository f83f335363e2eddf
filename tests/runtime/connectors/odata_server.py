"""A real OData server of the field (SAP CAP, V4 and V2 by its adapter) for tests: its model is in `odata_peer/`, its
packages are made outside of the checkout by `make bench-peers PEERS=folder` and found by TILLGATE_PEERS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

MODEL = Path(__file__).parent / "odata_peer"
ROOT = Path(__file__).resolve().parents[3]
SIGN_IN = {"user": "reader", "password": "sandbox"}
COUNT = 1_000


def peers() -> Path:
    """The folder of the peers: that of the variable, else one beside the checkout or above it."""
    if given := os.environ.get("TILLGATE_PEERS"):
        return Path(given)
    places = [up / name for up in (ROOT.parent, ROOT.parent.parent) for name in ("peers", "peers-venvs")]
    return next((one for one in places if one.is_dir()), places[0])


def missing() -> str:
    """Why the server cannot be started; empty where it can."""
    if shutil.which("node") is None:
        return "there is no Node.js on this machine"
    packages = peers() / "odata" / "node_modules" / "@sap" / "cds"
    return "" if packages.is_dir() else f"{packages} is not there: make bench-peers PEERS=folder"


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """The base URL of a server with a thousand rows, on loopback."""
    shutil.copytree(MODEL / "srv", folder / "srv")
    shutil.copy(MODEL / "package.json", folder)
    (folder / "node_modules").symlink_to(peers() / "odata" / "node_modules")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["node", "--no-deprecation", "node_modules/@sap/cds/bin/serve.js", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CDS_TELEMETRY_DISABLED": "true"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    try:
        said = list[str]()
        for line in process.stdout:  # it ends where the process does
            said.append(line)
            if "server listening" in line:
                break
        threading.Thread(target=process.stdout.read, daemon=True).start()
        url = f"http://127.0.0.1:{port}"
        answer = httpx.get(f"{url}/odata/v4/shop/Stock/$count", auth=("reader", "sandbox"), timeout=30)
        assert answer.text == str(COUNT), "".join(said)[-2000:]
        yield url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
