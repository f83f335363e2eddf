"""A server that answers byte for byte what a test tells it to, and keeps a journal of what reached it."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

ASKED = {"application": "web-shop", "version": "1", "environment": "production", "instance": ""}


@dataclass
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]


Answer = Callable[[Received], Any]


@dataclass
class FaultyGate:
    """`answers` are used one after the other, the last one for ever. An answer makes the bytes of a response, or a list
    of bytes that are sent one by one, with a pause between them that ends when the client goes away.
    """

    answers: list[Answer] = field(default_factory=lambda: [verdict()])
    journal: list[Received] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    tunnels: bool = False
    port: int = 0
    answered: bytes = b""  # the body of the last answer to a question

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[FaultyGate]:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port, self._over, self._open = listener.getsockname()[1], threading.Event(), []
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            for one in self._open:
                one.join()

    def _accept(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            one = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._open.append(one)
            one.start()

    def _serve(self, plain: socket.socket) -> None:
        with plain:
            plain.settimeout(5)
            try:
                connection = self.tls.wrap_socket(plain, server_side=True) if self.tls else plain
                received = self._read(connection)
                self.journal.append(received)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                said = answer(received)
                for index, part in enumerate([said] if isinstance(said, bytes) else said):
                    if index and self._gone(connection):
                        break
                    connection.sendall(part)
                connection.close()
            except (OSError, ValueError):
                return

    def _gone(self, connection: socket.socket) -> bool:
        connection.settimeout(0.05)
        try:
            return connection.recv(1) == b""
        except TimeoutError:
            return self._over.is_set()
        finally:
            connection.settimeout(5)

    @staticmethod
    def _read(connection: socket.socket) -> Received:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                raise ValueError("no request")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        return Received(line, headers, body)


_given: set[str] = set()


def _now() -> str:
    """A moment that stands in documents which are made before the tests run, some minutes before their own turn."""
    _given.add(stamp := datetime.now(UTC).isoformat())
    return stamp


def _answered_now(made: dict[str, Any]) -> dict[str, Any]:
    return made | {"as_of": _now()} if made.get("as_of") in _given else made


def document(**changed: Any) -> dict[str, Any]:
    """A verdict that fits `ASKED`."""
    return {
        "schema": "tillgate.verdict/1",
        "engine": 1,
        "verdict": "allow",
        "enforcing": True,
        **ASKED,
        "as_of": _now(),
        "reasons": [],
        "flip": [],
        "warnings": [],
        "waivers": [],
        "policy_digest": "sha256:" + "1" * 64,
        "input_digest": "sha256:" + "2" * 64,
    } | changed


def reason(**changed: Any) -> dict[str, Any]:
    return {
        "code": "version.past_sunset",
        "word": "deny",
        "subject": "price-api@v2",
        "pointer": "/consumed/items/price-api@v2",
        "message": "price-api@v2 had its sunset on 2026-06-30 00:00 UTC.",
        "fix": "Move to price-api@v3.",
        "report_only": False,
        "waived_by": None,
    } | changed


def denied(**changed: Any) -> dict[str, Any]:
    return document(verdict="deny", reasons=[reason(**changed)])


def response(body: Any, *, status: str = "200 OK", headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a whole response."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close"}
    sent |= headers or {}
    return b"".join(
        [f"HTTP/1.1 {status}\r\n".encode(), *(f"{k}: {v}\r\n".encode() for k, v in sent.items()), b"\r\n", data]
    )


def verdict(made: dict[str, Any] | bytes | None = None, **headers: str) -> Answer:
    """The answer of a gate that behaves: it echoes the question's digest and names the stored verdict."""

    def answer(received: Received) -> bytes:
        if isinstance(made, bytes):
            return response(made, headers=gate_headers(received) | headers)
        return response(document() if made is None else _answered_now(made), headers=gate_headers(received) | headers)

    return answer


def gate_headers(received: Received) -> dict[str, str]:
    digest = "sha256:" + hashlib.sha256(received.body).hexdigest()
    return {"Verdict-Id": "17", "Location": "/api/v1/gate/verdicts/17", "Question-Digest": digest}


def problem(status: str, detail: str = "No.", *, findings: Any = None, **headers: str) -> Answer:
    body = {"detail": detail, "code": "x.y"} | ({} if findings is None else {"findings": findings})
    sent = response(body, status=status, headers={"Content-Type": "application/problem+json"} | headers)
    return lambda received: sent


def raw(data: bytes | list[bytes]) -> Answer:
    return lambda received: data
