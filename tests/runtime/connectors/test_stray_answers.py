"""What comes after an answer on the same connection is never the answer to the next request."""

import contextlib
import json
import socket
import threading

import pytest

from runtime.connectors.http import HttpClient
from runtime.connectors.protocols import CallContext, OutboundMessage
from runtime.connectors.registry import open_sink

HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


def answer(name):
    body = json.dumps({"id": name}).encode()
    return HEAD % (len(body), body)


class Wire:
    """A server that answers the first request of the first connection with `first`, every further request on that
    connection by closing it, and all on later connections with `{"id": "OWN"}`."""

    def __init__(self, first):
        self.first, self.connections = first, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                peer, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(peer, self.connections), daemon=True).start()
        except OSError:
            pass

    def _serve(self, peer, number):
        with contextlib.suppress(OSError), peer, peer.makefile("rb") as lines:
            for asked in range(1 << 10):
                size = 0
                while line := lines.readline().strip():
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.partition(b":")[2])
                if line != b"" or (number == 1 and asked):
                    return
                lines.read(size)
                peer.sendall(self.first if number == 1 else answer("OWN"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


@pytest.mark.parametrize(
    "first",
    [
        answer("FIRST") + answer("STRAY"),
        answer("FIRST") + b"\r\n" + answer("STRAY"),
        b"HTTP/1.1 204 No Content\r\n\r\n" + answer("STRAY"),
        b"HTTP/1.1 201 Created\r\nLocation: /1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + answer("STRAY"),
    ],
)
@pytest.mark.parametrize("idempotency", ["N", "U"])
def test_a_second_answer_behind_the_first_one_never_confirms_the_next_message(first, idempotency):
    with Wire(first) as wire:
        sink = open_sink("rest", {"base_url": wire.url, "path": "/docs", "idempotency": idempotency})
        messages = [OutboundMessage(f"k{n}", f"tg-{n}", b"{}", {}, n) for n in (1, 2)]
        results = [sink.write([message], call=CallContext(deadline=5))[0] for message in messages]
        sink.close()
    said = "unknown" if idempotency == "U" else "confirmed"  # of two answers nobody can say which one is the answer
    assert [one.status for one in results] == [said, "confirmed"]
    assert results[1].reference == "OWN", "the vendor's answer to this message, on a connection of its own"
    assert wire.connections == 2


def test_a_read_is_not_answered_by_what_came_behind_another_answer():
    with Wire(answer("FIRST") + answer("STRAY")) as wire:
        client = HttpClient(wire.url)
        bodies = [client.request("GET", "/x", call=CallContext(), effect=False).body for _ in range(3)]
        client.close()
    assert [json.loads(body)["id"] for body in bodies] == ["FIRST", "OWN", "OWN"]
    assert wire.connections == 2, "a connection without anything behind its answer is used again"
