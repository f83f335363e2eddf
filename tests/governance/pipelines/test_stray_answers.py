"""A code host, or something in front of it, that says more than it was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from governance.models import PipelineReview
from tests.governance.pipelines import make

pytestmark = pytest.mark.django_db
TOKEN = json.dumps({"token": "ghs_0123456789"}).encode()
GIVEN = b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(TOKEN), TOKEN)
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def stray() -> Iterator[tuple[str, list[str]]]:
    """Its answer to the sign-in is followed by a 204 that nobody asked for; it takes no review."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path.rpartition("/")[2])
            self.wfile.write(GIVEN + TAKEN if asked[-1] == "access_tokens" else DENIED)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_an_answer_that_nobody_asked_for_approves_nothing(people, stray):
    url, asked = stray
    row = make.connection(people, url)
    make.mapping(people, row)
    make.ask(people.robot)
    make.send(row, make.github_payload(url))
    make.answer()
    assert asked == ["access_tokens", "deployment_protection_rule"]
    review = PipelineReview.objects.get()
    assert (review.state, review.last_status) == ("open", 403)
