"""Web servers for the product, side by side: sales at the usual rate, as many as go, and what is left of it beside
clients that are slow, silent or do not read.

    python -m bench.web_servers [--seconds 10] [--rounds 1] [--only granian-asgi,…]

`granian-wsgi` is what served before; `granian-asgi`, `uvicorn` and `hypercorn` serve the front (`portal.asgi`);
`waitress` reads bodies itself and serves Django as WSGI. Servers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

from bench.installation import Installation, free_port
from bench.intake import cpu_of, offer, send, wait, web
from bench.order_server import order
from portal import web_server

SLOW = 200  # clients of each unpleasant kind
CLIENTS = 16


def servers(port: int) -> dict[str, list[str]]:
    wsgi = "--interface wsgi --workers 1 --blocking-threads 16 --backpressure 64 --no-ws --log-level error"
    return {
        "granian-wsgi": [*f"-m granian --port {port} {wsgi}".split(), "portal.wsgi:application"],
        "granian-asgi": web_server.arguments(port),
        "uvicorn": [*f"-m uvicorn --port {port} --log-level error --http httptools".split(), "portal.asgi:application"],
        "hypercorn": [
            "-m",
            "hypercorn",
            "--bind",
            f"127.0.0.1:{port}",
            "--log-level",
            "ERROR",
            "portal.asgi:application",
        ],
        "waitress": [
            *f"-m waitress --port {port} --threads 16 --connection-limit 1000".split(),
            "portal.wsgi:application",
        ],
    }


def closed_loop(port: int, path: str, headers: dict[str, str], seconds: float, first: int) -> tuple[float, float]:
    """Calls a second of sixteen clients that send without a pause, and p99 in ms."""
    took: list[float] = []
    ends, numbers = time.perf_counter() + seconds, iter(range(first, first + 10_000_000))

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while (began := time.perf_counter()) < ends:
            if send(connection, path, headers, [order(next(numbers))]) == 202:
                took.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, quantiles(took, n=100)[98]


@contextmanager
def clients(port: int, first_bytes: bytes) -> Iterator[list[socket.socket]]:
    """Connections that say something and then nothing more, nor read."""
    opened = []
    for _ in range(SLOW):
        one = socket.create_connection(("127.0.0.1", port), 5)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(first_bytes)
        opened.append(one)
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def worst(port: int, ask: Callable[[http.client.HTTPConnection], int], *, calls: int = 20) -> str:
    """The longest of several calls on new connections, one after the other; how many of them failed within 10 s."""
    longest, failed = 0.0, 0
    for _ in range(calls):
        connection, began = http.client.HTTPConnection("127.0.0.1", port, timeout=10), time.perf_counter()
        try:
            failed += ask(connection) not in (200, 202)
        except OSError:
            failed += 1
        finally:
            connection.close()
        longest = max(longest, time.perf_counter() - began)
        if failed >= 2:
            break
    return f"{longest * 1000:,.0f} ms" if not failed else f"{failed} failed"


def beside(port: int, path: str, headers: dict[str, str], first: int) -> str:
    numbers = iter(range(first, first + 1000))

    def health(connection: http.client.HTTPConnection) -> int:
        connection.request("GET", "/health/live")
        return connection.getresponse().status

    sale = worst(port, lambda c: send(c, path, headers, [order(next(numbers))]))
    return f"sale {sale}, health {worst(port, health)}"


def measure(name: str, arguments: list[str], port: int, path: str, headers: dict[str, str], seconds: float) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {headers['Authorization']}\r\n"
    silent = f"{head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{{".encode()
    unread = b"GET /static/large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    base = 10_000_000 + time.monotonic_ns() // 1000 % 80_000_000  # a number has eight digits
    server = web(port, arguments)
    try:
        wait(port, path, headers)
        offer(port, path, headers, rate=75, seconds=3, batch=1, first=base)
        spent = cpu_of({"web": server.pid})["web"]
        took, refused = offer(port, path, headers, rate=150, seconds=seconds, batch=1, first=base + 1_000_000)
        each = (cpu_of({"web": server.pid})["web"] - spent) / max(1, len(took)) * 1000
        parts = quantiles(took, n=100)
        print(
            f"{name:13} 150/s p50 {parts[49]:.1f} p99 {parts[98]:.1f} ms, refused {refused}, CPU {each:.2f} ms",
            flush=True,
        )
        rate, p99 = closed_loop(port, path, headers, seconds, base + 2_000_000)
        print(f"{name:13} 16 clients without a pause: {rate:,.0f}/s p99 {p99:.1f} ms", flush=True)
        for kind, said in (("unfinished bodies", silent), ("idle connections", b""), ("answers not read", unread)):
            with clients(port, said):
                time.sleep(0.5)
                print(f"{name:13} beside {SLOW} {kind}: {beside(port, path, headers, base + 3_000_000)}", flush=True)
            base += 10_000
            time.sleep(0.5)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        static = installed.folder / "static"
        static.mkdir()
        (static / "large.bin").write_bytes(bytes(5_000_000))
        os.environ |= {"STATIC_ROOT": str(static), "LOG_LEVEL": "ERROR"}
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        till: Any = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write", "catalog:read"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        for _ in range(given.rounds):
            for name in servers(0):
                if (given.only and name not in given.only.split(",")) or not importlib.util.find_spec(
                    name.split("-")[0]
                ):
                    continue
                port = free_port()
                measure(name, servers(port)[name], port, path, headers, given.seconds)


if __name__ == "__main__":
    main()
