"""Intake as a till meets it: a server process of its own, started as `make up` starts it, and bytes on a socket.

Whatever happens on the line, a till sends again what it got no answer for, and each message is stored once.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from kernel.processes import die_with_parent
from portal import web_server
from runtime.ledger import connections
from runtime.models import Message
from tests.runtime.api.conftest import secret_of_the_till

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
ROOT = Path(__file__).resolve().parents[3]
WAIT = 20.0


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection of a till."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self.file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def end_of_sending(self) -> None:
        with suppress(OSError):  # it is refused already
            self.socket.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """As a line that is gone: the other side gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def reply(self) -> Reply | None:
        """The next answer; None where the server has closed the connection without one."""
        status = b""
        with suppress(ConnectionResetError):
            status = self.file.readline()
        if not status:
            return None
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(status.split()[1]), headers, self.file.read(int(headers.get("content-length", 0))))


class Till:
    """Knows the server and the token. `head(…)` is a request up to its body."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.lines: list[Line] = []

    def line(self) -> Line:
        self.lines.append(Line(self.port))
        return self.lines[-1]

    def head(self, *more: str, kind: str = "application/json") -> bytes:
        given = [
            "POST /api/v1/intake/sales/?environment=production HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Type: {kind}",
        ]
        return "\r\n".join([*given, f"Authorization: Bearer {self.token}", *more, "", ""]).encode()

    def post(self, body: bytes) -> Reply:
        line = self.line()
        line.send(self.head(f"Content-Length: {len(body)}"), body)
        found = line.reply()
        assert found is not None
        return found


def batch(*names: str, total: int = 1) -> bytes:
    return json.dumps({"items": [{"id": name, "total": total} for name in names]}).encode()


def stored() -> list[str]:
    return sorted(Message.objects.values_list("key", flat=True))


@pytest.fixture(scope="module")
def port(django_db_setup: Any, django_db_blocker: Any) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    with django_db_blocker.unblock():
        name = connection.settings_dict["NAME"]
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": settings.SECRET_KEY, "DEMO": "no"}
    process = subprocess.Popen(
        [sys.executable, *web_server.arguments(number, workers=2)],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )
    ends = time.monotonic() + 60
    while True:
        with suppress(OSError):
            line = Line(number)
            line.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if line.reply() is not None:
                line.close()
                break
        assert process.poll() is None, "the server has ended"
        assert time.monotonic() < ends, "the server does not answer"
        time.sleep(0.05)
    for line in [Line(number) for _ in range(8)]:  # each of its processes has answered once
        line.send(b"POST /api/v1/intake/sales/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        found = line.reply()
        assert found is not None
        assert found.status == 401
        line.close()
    yield number
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def till(port: int, transactional_db: None) -> Iterator[Till]:
    made = Till(port, secret_of_the_till())
    yield made
    for line in made.lines:
        with suppress(OSError):
            line.close()


class Held:
    """The lanes are held, so that a call is under way until they are let go."""

    def __enter__(self) -> Held:
        self.conn = connections.connect()
        self.conn.execute("begin")
        self.conn.execute("select from runtime_lane for update")
        return self

    def __exit__(self, *_: object) -> None:
        self.conn.execute("rollback")
        self.conn.close()

    def until_somebody_waits(self, calls: int = 1) -> None:
        _until(lambda: _waiting() >= calls, "nobody waits for the lanes")


def _waiting() -> int:
    with connections.connected() as conn:
        row = conn.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0


def _until(holds: Callable[[], bool], said: str) -> None:
    ends = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < ends, said
        time.sleep(0.01)


# -- sent again --------------------------------------------------------------------------------------------------------
def test_a_batch_that_is_sent_again_while_it_is_under_way_is_answered_each_time_and_stored_once(till: Till) -> None:
    body = batch(*(f"s{n}" for n in range(50)))
    lines = [till.line() for _ in range(8)]
    with Held() as held:
        for line in lines:
            line.send(till.head(f"Content-Length: {len(body)}"), body)
        held.until_somebody_waits()
    answers = [line.reply() for line in lines]
    assert [one and one.status for one in answers] == [202] * 8
    told = [one.json() for one in answers if one]
    assert sum(one["accepted"] for one in told) == 50
    assert sum(one["duplicate"] for one in told) == 350
    assert len({json.dumps([r["correlation"] for r in one["receipts"]]) for one in told}) == 1
    assert len(stored()) == 50


def test_a_client_that_goes_after_its_body_finds_its_batch_stored_when_it_asks_again(till: Till) -> None:
    body = batch("a", "b")
    line = till.line()
    with Held() as held:
        line.send(till.head(f"Content-Length: {len(body)}"), body)
        held.until_somebody_waits()
        line.cut()
    _until(lambda: stored() == ["a", "b"], "what was taken is not stored")
    again = till.post(body).json()
    assert (again["accepted"], again["duplicate"]) == (0, 2)
    assert all(receipt["correlation"] for receipt in again["receipts"])


@pytest.mark.parametrize("gone", [Line.cut, Line.close, Line.end_of_sending])
def test_a_line_that_breaks_in_the_body_stores_nothing_and_the_batch_is_sent_again(till: Till, gone: Any) -> None:
    body = batch("a", "b")
    line = till.line()
    line.send(till.head(f"Content-Length: {len(body)}"), body[: len(body) // 2])
    gone(line)
    if gone is Line.end_of_sending:
        found = line.reply()
        assert found is None or 400 <= found.status < 500
    assert stored() == []
    assert till.post(body).json()["accepted"] == 2


# -- bodies ------------------------------------------------------------------------------------------------------------
def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n", extension: bytes = b"") -> bytes:
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + end


CHUNKED = "Transfer-Encoding: chunked"
BODY = batch("a", "b")
PARTS = [BODY[:7], BODY[7:8], BODY[8:]]
CHUNKS = {
    "one": chunks(BODY),
    "several": chunks(*PARTS),
    "with extensions": chunks(*PARTS, extension=b';name="value"'),
    "with trailers": chunks(
        *PARTS, end=b"0\r\nDigest: sha-256=x\r\nContent-Length: 3\r\nAuthorization: Bearer x\r\n\r\n"
    ),
    "of single bytes": chunks(*(bytes([one]) for one in BODY)),
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_a_body_in_chunks_is_one_batch_and_the_line_goes_on(till: Till, kind: str) -> None:
    line = till.line()
    line.send(till.head(CHUNKED), CHUNKS[kind])
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["accepted"]) == (202, 2)
    line.send(till.head(CHUNKED, "Connection: keep-alive"), CHUNKS["one"])
    again = line.reply()
    assert again is not None
    assert again.json()["duplicate"] == 2


BROKEN_CHUNKS = {
    "no end": chunks(*PARTS, end=b""),
    "half a chunk": b"%x\r\n%s" % (len(BODY), BODY[:9]),
    "no size": b"x\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a negative size": b"-5\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a size beyond everything": b"fffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": b"3\r\n" + BODY + b"\r\n0\r\n\r\n",
    "one line end too few": b"%x\r\n%s0\r\n\r\n" % (len(BODY), BODY),
}


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
def test_broken_chunks_store_nothing(till: Till, kind: str) -> None:
    line = till.line()
    line.send(till.head(CHUNKED), BROKEN_CHUNKS[kind])
    line.end_of_sending()
    found = line.reply()
    assert found is None or 400 <= found.status < 500
    assert stored() == []
    assert till.post(BODY).json()["accepted"] == 2


def test_a_client_that_waits_for_100_gets_it_and_then_its_answer(till: Till) -> None:
    line = till.line()
    line.send(till.head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
    first = line.reply()
    assert first is not None
    assert first.status == 100
    line.send(BODY)
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["accepted"]) == (202, 2)


def test_a_client_that_waits_for_100_with_too_much_is_told_before_it_sends(till: Till) -> None:
    line = till.line()
    line.send(till.head(f"Content-Length: {500 * 1024 * 1024}", "Expect: 100-continue"))
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["code"]) == (413, "request.too_large")


def test_too_much_without_a_length_is_refused_on_the_way(till: Till) -> None:
    line, part = till.line(), b"%x\r\n%s\r\n" % (1 << 20, b" " * (1 << 20))
    line.send(till.head(CHUNKED))

    def send_all() -> None:
        with suppress(OSError):
            for _ in range(64):
                line.send(part)

    sending = threading.Thread(target=send_all)
    sending.start()
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["code"]) == (413, "request.too_large")
    line.cut()
    sending.join()
    assert till.post(BODY).status == 202


def test_a_body_longer_than_its_length_is_what_the_length_says_and_the_rest_is_no_request(till: Till) -> None:
    line = till.line()
    line.send(till.head(f"Content-Length: {len(BODY)}"), BODY + batch("c"))
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["accepted"]) == (202, 2)
    rest = line.reply()
    assert rest is None or rest.status == 400
    assert stored() == ["a", "b"]


def test_a_length_in_the_middle_of_the_batch_stores_nothing(till: Till) -> None:
    line = till.line()
    line.send(till.head(f"Content-Length: {len(BODY) - 4}"), BODY)
    found = line.reply()
    assert found is not None
    assert (found.status, stored()) == (400, [])


LENGTHS = {
    "two that differ": [f"Content-Length: {len(BODY)}", "Content-Length: 5"],
    "a list": [f"Content-Length: {len(BODY)}, 5"],
    "no number": ["Content-Length: many"],
    "a sign": [f"Content-Length: +{len(BODY)}"],
    "a length and chunks": [f"Content-Length: {len(BODY)}", CHUNKED],
    "chunks that are not the last coding": ["Transfer-Encoding: chunked, gzip"],
    "chunks twice": ["Transfer-Encoding: chunked, chunked"],
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_where_the_end_of_the_body_is_in_doubt_nothing_is_stored_or_exactly_the_batch(till: Till, kind: str) -> None:
    """RFC 9112 §6.3: what two readers may understand differently is refused, or the connection ends behind it."""
    line = till.line()
    line.send(till.head(*LENGTHS[kind]), BODY)
    line.end_of_sending()
    found = line.reply()
    assert found is None or 400 <= found.status < 500
    assert stored() == []


@pytest.mark.parametrize("order", [0, 1])
def test_a_length_beside_chunks_leaves_no_second_request_on_the_line(till: Till, order: int) -> None:
    """A proxy that goes by the length and a server that goes by the chunks would see two requests in one: the
    connection ends behind the chunks (RFC 9112 §6.3)."""
    hidden = till.head(f"Content-Length: {len(batch('hidden'))}") + batch("hidden")
    both = [CHUNKED, f"Content-Length: {len(CHUNKS['one'] + hidden)}"]
    line = till.line()
    line.send(till.head(*(both if order else both[::-1])), CHUNKS["one"] + hidden)
    found = line.reply()
    assert found is not None
    assert (found.status, found.headers["connection"]) == (202, "close")
    assert line.reply() is None
    assert stored() == ["a", "b"]


# -- packed ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "zstd"])
def test_a_packed_body_is_refused_whatever_it_would_become(till: Till, coding: str) -> None:
    bomb = gzip.compress(b'{"items":[' + b" " * (200 << 20) + b"]}", 1) if coding == "gzip" else BODY
    line = till.line()
    line.send(till.head(f"Content-Length: {len(bomb)}", f"Content-Encoding: {coding}"), bomb)
    found = line.reply()
    assert found is not None
    assert (found.status, found.json()["code"]) == (415, "request.coding")


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip"])
def test_a_packed_transfer_is_refused(till: Till, coding: str) -> None:
    line = till.line()
    line.send(till.head(f"Transfer-Encoding: {coding}"), chunks(gzip.compress(BODY)))
    line.end_of_sending()
    found = line.reply()
    assert found is None or 400 <= found.status < 500
    assert stored() == []


# -- one line, several requests ----------------------------------------------------------------------------------------
def test_requests_that_do_not_wait_for_answers_are_answered_in_their_order(till: Till) -> None:
    line, wrong = till.line(), b'{"items":['
    bodies = [batch("a"), wrong, batch("b"), batch("a"), batch("c")]
    line.send(b"".join(till.head(f"Content-Length: {len(body)}") + body for body in bodies))
    answers = [line.reply() for _ in bodies]
    assert [one and one.status for one in answers] == [202, 400, 202, 202, 202]
    assert [one.json().get("duplicate") for one in answers if one] == [0, None, 0, 1, 0]
    assert stored() == ["a", "b", "c"]


def test_a_line_that_breaks_behind_several_requests_keeps_what_was_whole(till: Till) -> None:
    line = till.line()
    bodies = [batch("a"), batch("b")]
    whole = b"".join(till.head(f"Content-Length: {len(body)}") + body for body in bodies)
    line.send(whole, till.head("Content-Length: 500"), b'{"items":[{"id":"c"')
    line.end_of_sending()
    found = line.reply()
    assert found is not None
    assert found.status == 202
    _until(lambda: stored() in (["a"], ["a", "b"]), "nothing is stored")
    for body in (*bodies, batch("c")):
        assert till.post(body).status == 202
    assert stored() == ["a", "b", "c"]
