"""The tools of the benchmarks that a figure stands on."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from bench.installation import Installation
from bench.rows import command, row
from bench.tills import Till


@pytest.fixture
def door() -> Iterator[ThreadingHTTPServer]:
    """Takes sales from the second call on; the first is told to come again at once."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        heard: list[list[int]] = []

        def do_POST(self) -> None:
            items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
            self.heard.append([item["id"] for item in items])
            self.send_response(202 if len(self.heard) > 1 else 503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    serving = Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_second_installation_in_one_process_is_refused_before_it_talks_to_the_first_ones_server() -> None:
    with pytest.raises(SystemExit, match=r"bench\.rounds"):
        Installation()


def test_a_till_hands_a_sale_in_again_until_it_is_taken_and_notes_both_calls(door: ThreadingHTTPServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.server_port, timeout=10)
    till, now = Till(connection, "/", {}), time.monotonic()
    till.sell([5, 6], now, now + 10)
    connection.close()
    assert door.RequestHandlerClass.heard == [[5, 6], [5, 6]]
    assert (till.sold, till.taken, till.failed()) == ([5, 6], [5, 6], 1)
    assert [status for _, _, status in till.calls] == [503, 202]


def test_a_sale_that_is_never_taken_is_not_in_the_journal_of_what_was(door: ThreadingHTTPServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.server_port, timeout=10)
    till, now = Till(connection, "/", {}), time.monotonic()
    till.sell([5], now, now)
    connection.close()
    assert (till.sold, till.taken, till.took) == ([5], [], [])


def test_a_row_of_the_table_has_six_cells_and_names_no_folder_of_the_machine() -> None:
    ran = command(["bench.sync", "--orders", "10", "--peers", "/some/where"])
    assert ran == "python -m bench.sync --orders 10 --peers …"
    assert row("P1", "a | b", measured="1", met="yes", ran=ran).count(" | ") == 5
