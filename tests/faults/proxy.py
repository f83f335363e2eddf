"""A TCP proxy that breaks connections on order, in front of PostgreSQL, Redis and vendors. One thread with its own
event loop.

    with FaultProxy(("127.0.0.1", 5432), seed=7) as proxy:
        ... connect to 127.0.0.1:proxy.port ...
        proxy.set(cut_response=0.1)     # one exchange in ten: the server acts, its answer never comes back
        proxy.reset()                   # every open connection ends by RST now
        proxy.clear()

As a process: `python -m tests.faults.proxy --upstream HOST:PORT`; it prints `{"ready": true, "port": …}` and takes one
JSON object of faults per line on its input (`{"latency": 0.2}`, `{"reset": true}`, `{}` clears).

An *exchange* is what goes up followed by what comes down: an HTTP request and its answer, a PostgreSQL statement (or
COMMIT) and its result. `cut_response` and `cut_request` are drawn once per exchange from the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any

CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to connections. Rates are probabilities per exchange; times in seconds.

    latency       each chunk waits this long, in both directions; `jitter` adds up to as much again
    blackhole     nothing is passed on and nothing is closed: a half-open connection
    refuse        new connections are reset at once
    slice_bytes   chunks are passed on in pieces of this size, `slice_delay` apart
    cut_up/down   the connection is reset after so many bytes in that direction
    cut_request   the connection is reset when a request arrives, before the server sees it
    cut_response  the server gets the whole request and acts; the connection is reset when its answer begins
    cut_middle    the answer is passed on up to a random byte, then the connection is reset
    """

    latency: float = 0.0
    jitter: float = 0.0
    blackhole: bool = False
    refuse: bool = False
    slice_bytes: int = 0
    slice_delay: float = 0.001
    cut_up: int = 0
    cut_down: int = 0
    cut_request: float = 0.0
    cut_response: float = 0.0
    cut_middle: float = 0.0


QUIET = Faults()
_NAMES = {field.name for field in fields(Faults)}


class _Cut(Exception):
    """This connection ends by RST."""


class _Link:
    """One client connection and its server connection."""

    def __init__(self, proxy: FaultProxy, up: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.proxy, self.from_client, self.to_client = proxy, up, client
        self.to_server: asyncio.StreamWriter | None = None
        self.asked = False  # bytes went up since the last bytes came down
        self.passed = {"up": 0, "down": 0}

    async def run(self) -> None:
        try:
            if self.proxy.faults.refuse:
                raise _Cut
            from_server, self.to_server = await asyncio.open_connection(*self.proxy.upstream)
            up = asyncio.ensure_future(self._pump(self.from_client, self.to_server, "up"))
            down = asyncio.ensure_future(self._pump(from_server, self.to_client, "down"))
            try:
                await asyncio.gather(up, down)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except (_Cut, OSError):
            self.abort()
        finally:
            for writer in (self.to_client, self.to_server):
                if writer is not None:
                    with contextlib.suppress(OSError, RuntimeError):
                        writer.close()

    def abort(self) -> None:
        for writer in (self.to_client, self.to_server):
            if writer is not None:
                _reset(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        while data := await reader.read(CHUNK):
            faults = self.proxy.faults
            if way == "up":
                if not self.asked and self.proxy.draws(faults.cut_request, "cut_request"):
                    raise _Cut
                self.asked = True
            elif self.asked:
                self.asked = False
                if self.proxy.draws(faults.cut_response, "cut_response"):
                    raise _Cut
                if self.proxy.draws(faults.cut_middle, "cut_middle"):
                    writer.write(data[: self.proxy.random.randrange(len(data))])
                    await writer.drain()
                    raise _Cut
            await self._pass_on(data, writer, way)
        if writer.can_write_eof():
            writer.write_eof()

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter, way: str) -> None:
        proxy = self.proxy
        faults = proxy.faults
        if faults.latency:
            await asyncio.sleep(faults.latency + proxy.random.uniform(0, faults.jitter))
        while proxy.faults.blackhole:
            await proxy.changed()
        limit = faults.cut_up if way == "up" else faults.cut_down
        if limit and self.passed[way] + len(data) >= limit:
            writer.write(data[: max(0, limit - self.passed[way])])
            await writer.drain()
            proxy.counts["cut_" + way] += 1
            raise _Cut
        self.passed[way] += len(data)
        step = faults.slice_bytes or len(data)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if faults.slice_bytes:
                await asyncio.sleep(faults.slice_delay)


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN (SO_LINGER with zero seconds)."""
    sock: Any = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class FaultProxy:
    """Listens on a free loopback port and passes everything to `upstream` (host, port), less what `faults` break.
    With `tls` it is the end of TLS: what it passes on is plain."""

    def __init__(
        self, upstream: tuple[str, int], *, seed: int = 0, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.upstream, self.port, self.tls = upstream, port, tls
        self.random = random.Random(seed)
        self.faults = QUIET
        self.counts: Counter[str] = Counter()
        self._links: set[_Link] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._change: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{upstream[1]}", daemon=True)
        self._stop: asyncio.Event | None = None
        self._error: BaseException | None = None

    # -- orders, from any thread -----------------------------------------------------------------------------------
    def set(self, **faults: Any) -> None:
        """Replace the faults in force. Raises ValueError for a name that does not exist."""
        if unknown := set(faults) - _NAMES:
            raise ValueError(f"unknown fault {', '.join(sorted(unknown))}; known: {', '.join(sorted(_NAMES))}")
        self._order(lambda: self._put(Faults(**faults)))

    def clear(self) -> None:
        self.set()

    def reset(self) -> None:
        """Every open connection ends by RST now."""
        self._order(self._reset_all)

    def do(self, action: Callable[[], Any]) -> None:
        """Something between two exchanges, such as another certificate."""
        self._order(action)

    def draws(self, rate: float, name: str) -> bool:
        if not rate or self.random.random() >= rate:
            return False
        self.counts[name] += 1
        return True

    async def changed(self) -> None:
        assert self._change is not None
        await self._change.wait()

    def _put(self, faults: Faults) -> None:
        assert self._change is not None
        self.faults = faults
        self._change.set()
        self._change = asyncio.Event()

    def _reset_all(self) -> None:
        self.counts["reset"] += len(self._links)
        for link in list(self._links):
            link.abort()

    def _order(self, action: Any) -> None:
        assert self._loop is not None, "the proxy is not running"
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait(10)

    # -- life ------------------------------------------------------------------------------------------------------
    def start(self) -> FaultProxy:
        self._thread.start()
        self._ready.wait(10)
        if self._error is not None:
            raise self._error
        return self

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._error = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._change, self._stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        self._reset_all()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            link.abort()
        finally:
            self._links.discard(link)

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    host, _, port = given.upstream.rpartition(":")
    with FaultProxy((host, int(port)), seed=given.seed, port=given.port) as proxy:
        print(json.dumps({"ready": True, "port": proxy.port}), flush=True)
        for line in sys.stdin:
            try:
                order = json.loads(line)
                if order.pop("reset", False):
                    proxy.reset()
                proxy.set(**order)
                print(json.dumps({"ok": True, "counts": dict(proxy.counts)}), flush=True)
            except (ValueError, TypeError) as error:
                print(json.dumps({"ok": False, "error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
