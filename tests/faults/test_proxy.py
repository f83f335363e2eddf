"""The proxy breaks what it is told to break, and nothing else."""

from __future__ import annotations

import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FaultProxy

pytestmark = pytest.mark.faults


class Upstream(socketserver.ThreadingTCPServer):
    """Answers each line with `<line>!`, and remembers the lines: what it remembers, it acted on."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.acted: list[bytes] = []
        self.heard = threading.Condition()

    def wait_for(self, count: int) -> list[bytes]:
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.acted) >= count, 5), self.acted
            return list(self.acted)


class _Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Upstream = self.server  # type: ignore[assignment]
        try:
            for line in self.rfile:
                with server.heard:
                    server.acted.append(line.strip())
                    server.heard.notify_all()
                self.wfile.write(line.strip() + b"!\n")
        except OSError:
            return


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.server_address[:2], seed=3) as made:  # type: ignore[arg-type]
        yield made


class Client:
    def __init__(self, proxy: FaultProxy) -> None:
        self.socket = socket.create_connection(("127.0.0.1", proxy.port), 5)
        self.file = self.socket.makefile("rb")

    def ask(self, text: str) -> bytes:
        self.socket.sendall(text.encode() + b"\n")
        return self.file.readline()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def test_without_faults_everything_passes_both_ways(proxy: FaultProxy) -> None:
    with Client(proxy) as client:
        assert client.ask("a") == b"a!\n"
        big = "x" * 300_000
        assert client.ask(big) == big.encode() + b"!\n"


def test_a_cut_response_lets_the_server_act_and_the_client_learns_nothing(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.set(cut_response=1.0)
    with Client(proxy) as client, pytest.raises(ConnectionResetError):
        client.ask("a")
    assert upstream.wait_for(1) == [b"a"]
    assert proxy.counts["cut_response"] == 1


def test_a_cut_request_never_reaches_the_server(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.set(cut_request=1.0)
    with Client(proxy) as client, pytest.raises(ConnectionResetError):
        client.ask("a")
    proxy.clear()
    with Client(proxy) as client:
        client.ask("b")
    assert upstream.wait_for(1) == [b"b"]


def test_the_answer_breaks_off_in_the_middle(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.set(cut_middle=1.0)
    with Client(proxy) as client:
        try:
            got = client.ask("a" * 50)
        except ConnectionResetError:
            got = b""
        assert len(got) < 51
    assert upstream.wait_for(1) == [b"a" * 50]


def test_after_so_many_bytes_the_connection_is_reset(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.set(cut_up=6)
    with Client(proxy) as client:
        assert client.ask("ab") == b"ab!\n"
        with pytest.raises(ConnectionResetError):
            client.ask("cdefgh")
    assert upstream.acted[:1] == [b"ab"]


def test_a_black_hole_keeps_the_connection_open_and_silent_until_it_ends(proxy: FaultProxy, upstream: Upstream) -> None:
    with Client(proxy) as client:
        client.ask("a")
        proxy.set(blackhole=True)
        client.socket.settimeout(0.15)
        with pytest.raises(TimeoutError):
            client.ask("b")
        assert upstream.acted == [b"a"]
        proxy.clear()
        assert upstream.wait_for(2) == [b"a", b"b"]


def test_reset_ends_open_connections_and_refuse_ends_new_ones(proxy: FaultProxy) -> None:
    with Client(proxy) as client:
        client.ask("a")
        proxy.reset()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            client.ask("b")
    proxy.set(refuse=True)
    with pytest.raises((ConnectionResetError, BrokenPipeError)), Client(proxy) as client:
        client.ask("d")


def test_latency_and_slices_delay_and_lose_nothing(proxy: FaultProxy) -> None:
    proxy.set(latency=0.05, slice_bytes=2)
    with Client(proxy) as client:
        started = time.monotonic()
        assert client.ask("hello") == b"hello!\n"
        assert time.monotonic() - started >= 0.1


def test_the_same_seed_cuts_the_same_exchanges(upstream: Upstream) -> None:
    def fates(seed: int) -> list[bool]:
        found = []
        with FaultProxy(upstream.server_address[:2], seed=seed) as proxy:  # type: ignore[arg-type]
            proxy.set(cut_response=0.5)
            for _ in range(12):
                with Client(proxy) as client:
                    try:
                        found.append(bool(client.ask("a")))
                    except ConnectionResetError:
                        found.append(False)
        return found

    first = fates(11)
    assert fates(11) == first
    assert fates(12) != first
    assert {True, False} <= set(first)


def test_an_unknown_fault_is_refused_by_name(proxy: FaultProxy) -> None:
    with pytest.raises(ValueError, match="unknown fault lag"):
        proxy.set(lag=1)


def test_it_runs_as_a_process_of_its_own(upstream: Upstream) -> None:
    host, port = upstream.server_address[:2]
    command = [sys.executable, "-m", "tests.faults.proxy", "--upstream", f"{host!s}:{port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.stdin.write('{"cut_response": 1}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["ok"]
        with socket.create_connection(("127.0.0.1", ready["port"]), 5) as client:
            client.sendall(b"a\n")
            with pytest.raises(ConnectionResetError):
                client.recv(10)
        process.stdin.close()
        process.wait(5)
    assert upstream.acted == [b"a"]
