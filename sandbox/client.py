"""A small blocking client for tests, the demo and the fault campaign: start the sandbox, order faults, read the
journals.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.journal import Entry, parse

ROOT = Path(__file__).resolve().parent.parent


class SandboxError(RuntimeError):
    """The process did not start, or refused an order; the text is its own."""


class Control:
    """One emulator, by its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def _ask(self, path: str, body: Any = None) -> tuple[bytes, Any]:
        data = None if body is None else json.dumps(body).encode()
        method = "GET" if data is None else "POST"
        request = urllib.request.Request(self.url + path, data=data, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return response.read(), response.headers
        except urllib.error.HTTPError as error:
            raise SandboxError(error.read().decode(errors="replace")) from None

    def control(self, **orders: Any) -> dict[str, Any]:
        """`control(set={"honour_keys": False})`, `control(offline=True)`, `control(sell={…})`: `sandbox/README.md`."""
        made: dict[str, Any] = json.loads(self._ask("/_control", orders)[0])
        return made

    def fault(self, kind: str, **fields: Any) -> None:
        """`fault("cut_after", next=1)`: add one rule; fields as in `sandbox.faults`."""
        self.control(faults=[{"kind": kind, **fields}])

    def clear(self) -> None:
        self.control(clear=True)

    def state(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self._ask("/_control")[0])
        return made

    def journal(self, since: int = 0, limit: int | None = None) -> list[Entry]:
        """Entries with seq > since."""
        return parse(self._ask(f"/_journal?since={since}" + ("" if limit is None else f"&limit={limit}"))[0])


class Sandbox:
    """The process. `with Sandbox(state=tmp_path) as sandbox: sandbox.erp.fault("cut_after", next=1)`.

    state    directory of the journals (`<state>/erp.journal.jsonl`, `stores.journal.jsonl`, `loyalty.journal.jsonl`)
    ports    {"erp": 0, "stores": 0, "loyalty": 0}; leave one out and it is not started start()  waits for the ready
    line, no polling; `kill()` is SIGKILL, `stop()` SIGTERM; `restart()` keeps ports and state
    """

    def __init__(
        self,
        *,
        state: Path,
        ports: dict[str, int] | None = None,
        data: Path | None = None,
        seed: int = 1,
        stores: int | None = None,
        arguments: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self.state, self.seed, self.data, self.stores_count = state, seed, data, stores
        self.ports = dict.fromkeys(("erp", "stores", "loyalty"), 0) if ports is None else dict(ports)
        self.arguments, self.env = list(arguments), {**os.environ, **(env or {})}
        self.process: subprocess.Popen[str] | None = None

    def command(self) -> list[str]:
        flags = {"erp": "--erp-port", "stores": "--store-port", "loyalty": "--loyalty-port"}
        flags |= {"forge": "--forge-port", "dynamics": "--dynamics-port", "shop": "--shop-port"}
        flags |= {"crm": "--crm-port", "suite": "--suite-port", "finance": "--finance-port"}
        made = [sys.executable, "-m", "sandbox", "--state", str(self.state), "--seed", str(self.seed), "--with-parent"]
        for name, port in self.ports.items():
            made += [flags[name], str(port)]
        if self.data is not None:
            made += ["--data", str(self.data)]
        if self.stores_count is not None:
            made += ["--stores", str(self.stores_count)]
        return made + self.arguments

    def start(self, *, timeout: float = 30.0) -> Sandbox:
        self.state.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as log:
            said = log.tell()
            self.process = subprocess.Popen(  # noqa: S603
                self.command(), cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=log, text=True
            )
        lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=lambda out: lines.put(out.readline()), args=(self.process.stdout,), daemon=True).start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            self.kill()
            raise SandboxError(f"the sandbox was not ready within {timeout:g} s") from None
        if not line:
            self._reap()
            raise SandboxError(self.log.read_text()[said:].strip() or "the sandbox ended without a word")
        self.ports = json.loads(line)["ports"]
        return self

    @property
    def erp(self) -> Control:
        return Control(self.ports["erp"])

    @property
    def stores(self) -> Control:
        return Control(self.ports["stores"])

    @property
    def loyalty(self) -> Control:
        return Control(self.ports["loyalty"])

    @property
    def forge(self) -> Control:
        return Control(self.ports["forge"])

    @property
    def dynamics(self) -> Control:
        return Control(self.ports["dynamics"])

    @property
    def shop(self) -> Control:
        return Control(self.ports["shop"])

    @property
    def crm(self) -> Control:
        return Control(self.ports["crm"])

    @property
    def suite(self) -> Control:
        return Control(self.ports["suite"])

    @property
    def finance(self) -> Control:
        return Control(self.ports["finance"])

    @property
    def log(self) -> Path:
        """What the process writes to its error output."""
        return self.state / "sandbox.log"

    def journal_path(self, emulator: str) -> Path:
        return self.state / f"{emulator}.journal.jsonl"

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> Sandbox:
        self.stop()
        return self.start()

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reap()

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
