"""Acme's own tests: they inherit the suite, as the document says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from acme_tillgate.connector import source

from tillgate_conformance import SourceConformance, call

ROWS = [{"id": number, "till": "9"} for number in range(1, 6)]


class Till(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        after, limit = int(asked["after"][0]), int(asked["limit"][0])
        rows = [row for row in ROWS if row["id"] > after]
        body = json.dumps({"rows": rows[:limit], "more": len(rows) > limit}).encode()
        self.send_response(200 if self.headers.get("X-Key") == "secret" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class TestAcme(SourceConformance):
    @pytest.fixture
    def make(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Till)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield lambda: source({"base_url": f"http://127.0.0.1:{server.server_port}", "path": "/tills", "page_size": 2})
        server.shutdown()
        server.server_close()

    @pytest.fixture
    def circumstances(self):
        return call({"key": "secret"})

    @pytest.fixture
    def expected(self):
        return [str(row["id"]) for row in ROWS]
