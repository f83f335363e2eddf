"""Where one request of a connection ends and the next begins: the web server with its own options and the front, asked
by raw sockets. A request that could be read in two ways, by a proxy in one and by us in the other, is refused or ends
its connection, so that nothing of it is taken for a request of somebody else."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.web_server import OPTIONS

APPLICATION = """
import django

django.setup()
from portal.front.application import Front
from portal.readiness import Readiness


def echo(environ, start):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"<", environ["PATH_INFO"].encode(), b"|", body, b">"]


fine = {"database": "ok", "migrations": "ok", "intake": "ok"}
application = Front(echo, Readiness(look=lambda: fine, wait=1.0), 1_000_000)
"""
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LENGTH, OTHER, CHUNKED = b"Content-Length: 3\r\n", b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "echoing.py").write_text(APPLICATION)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = int(taken.getsockname()[1])
    command = [sys.executable, "-m", "granian", "--host", "127.0.0.1", "--port", str(free), "--workers", "1"]
    options = OPTIONS.replace("portal.asgi:application", "").split()
    place = os.environ | {
        "PYTHONPATH": f"{folder}:{Path.cwd()}",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": "tests",
    }
    process = subprocess.Popen(
        [*command, *options, "echoing:application"], env=place, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while not answers(free):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
        yield free
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    try:
        return bool(asked(port, NEXT)[0])
    except OSError:
        return False


def asked(port: int, raw: bytes) -> tuple[list[int], list[str]]:
    """The status of each answer and what each request was, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(raw)
        text = b""
        while part := client.recv(65536):
            text += part
    found = text.decode("latin-1")
    return [int(code) for code in re.findall(r"HTTP/1\.1 (\d+)", found)], re.findall(r"<(.*?)>", found)


def post(lines: bytes, body: bytes) -> bytes:
    return b"POST /a HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n" + body + NEXT


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (LENGTH, b"abc"),
        (LENGTH + LENGTH, b"abc"),  # granian makes one line of equal ones (RFC 9110 section 8.6)
        (LENGTH + b"Content-Length: 03\r\n", b"abc"),
        (CHUNKED, b"3\r\nabc\r\n" + EMPTY),
        (CHUNKED, b"3;note=x\r\nabc\r\n" + EMPTY),
    ],
)
def test_what_can_be_read_in_one_way_alone_is_read_to_its_end_and_the_next_follows(
    port: int, lines: bytes, body: bytes
) -> None:
    assert asked(port, post(lines, body)) == ([200, 200], ["/a|abc", "/next|"])


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (LENGTH + OTHER, b"abc"),
        (OTHER + LENGTH, b"abc"),
        (b"Content-Length: 3, 3\r\n", b"abc"),
        (b"Content-Length: 3, 0\r\n", b"abc"),
        (b"Content-Length: +3\r\n", b"abc"),
        (b"Content-Length: -3\r\n", b"abc"),
        (b"Content-Length: 0x3\r\n", b"abc"),
        (b"Content-Length:\r\n" + LENGTH, b"abc"),
        (b"Content-Length:\r\n 3\r\n", b"abc"),
        (b"Content-Length : 3\r\n", b"abc"),
        (b"Content-Length: 18446744073709551619\r\n", b"abc"),
        (b"Transfer-Encoding: xchunked\r\n" + LENGTH, b"abc"),
        (b"Transfer-Encoding: identity\r\n" + LENGTH, b"abc"),
        (b"Transfer-Encoding: \x0bchunked\r\n", EMPTY),
        (b"Transfer-Encoding: chunked, identity\r\n", EMPTY),
        (CHUNKED + CHUNKED, EMPTY),
        (b"X: y\rContent-Length: 3\r\n", b"abc"),
        (b"Host: y\r\n" + LENGTH, b"abc"),
        (CHUNKED, b"3\nabc\n0\n\n"),
        (CHUNKED, b"0x3\r\nabc\r\n" + EMPTY),
        (CHUNKED, b"3;a\nb\r\nabc\r\n" + EMPTY),
        (CHUNKED, b"3\r\nabcXX" + EMPTY),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(
    port: int, lines: bytes, body: bytes
) -> None:
    assert asked(port, post(lines, body)) == ([400], [])


@pytest.mark.parametrize("lines", [LENGTH + CHUNKED, CHUNKED + LENGTH, LENGTH + LENGTH + CHUNKED])
def test_after_a_request_with_a_length_and_chunks_the_connection_ends(port: int, lines: bytes) -> None:
    """RFC 9112 section 6.3: the chunks count; what follows could be the rest for who went by the length."""
    assert asked(port, post(lines, EMPTY)) == ([200], ["/a|"])


@pytest.mark.parametrize(("size", "status"), [(32_000, 200), (200_000, 431)])
def test_headers_of_any_proxy_are_read_and_larger_ones_refused(port: int, size: int, status: int) -> None:
    """nginx passes on 32 kB at most. Each connection may keep so much for half a minute."""
    lines = b"X-Long: " + b"a" * size + b"\r\nConnection: close\r\n"
    assert asked(port, b"GET /a HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")[0] == [status]


def test_a_body_larger_than_the_buffer_of_headers_arrives_whole(port: int) -> None:
    body = b"b" * 300_000
    length = b"Content-Length: %d\r\n" % len(body)
    assert asked(port, post(length, body))[1][0] == "/a|" + body.decode()


def test_an_old_request_with_chunks_is_refused(port: int) -> None:
    first = b"POST /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n" + CHUNKED + b"\r\n" + EMPTY
    assert asked(port, first + NEXT) == ([400], [])
