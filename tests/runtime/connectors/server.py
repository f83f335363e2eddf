"""A real HTTP server in a thread, whose answers the test writes: for paging, faults and headers that no emulator
has."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Seen:
    """One request as it arrived."""

    def __init__(self, handler, body):
        self.method, self.target = handler.command, handler.path
        parts = urlsplit(handler.path)
        self.path = parts.path
        self.query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        self.headers = {k.lower(): v for k, v in handler.headers.items()}
        self.body = body

    def json(self):
        return json.loads(self.body)


class Server:
    """`answer(seen) -> (status, headers, body)`; a body that is not bytes is sent as JSON. `raw(handler)` takes over
    the socket."""

    def __init__(self, answer=None, raw=None):
        self.answer, self.raw, self.seen = answer, raw, []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen = Seen(self, body)
                outer.seen.append(seen)
                if outer.raw is not None:
                    self.close_connection = True
                    outer.raw(self, seen)
                    return
                status, headers, content = outer.answer(seen)
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                (self.send_response_only if "Date" in headers else self.send_response)(status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(content)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_MERGE = handle_one

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                """The client went away: that is what the test wanted."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def drip(handler, *, head=b"HTTP/1.1 200 OK\r\nX-Slow: ", pause=0.05, count=200):
    """One byte at a time, so that no single wait is ever long."""
    try:
        handler.wfile.write(head)
        for _ in range(count):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(pause)
    except OSError:
        pass
