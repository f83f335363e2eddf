"""A small proxy that ends TLS before the web server, as nginx would: it tells scheme and address of the client."""

from __future__ import annotations

import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.faults.certificates import Certificates

KEPT_BACK = {"connection", "transfer-encoding", "keep-alive", "x-forwarded-for", "x-forwarded-proto"}


class TlsProxy:
    """Listens on loopback, and passes each request on to the port of the web server."""

    def __init__(self, folder: Path, to: int) -> None:
        certificates = Certificates.make(folder)
        self.authority = certificates.authority
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(to))
        self.server.socket = certificates.context().wrap_socket(self.server.socket, server_side=True)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(to: int) -> type[BaseHTTPRequestHandler]:
    class PassedOn(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in KEPT_BACK}
            headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-For": self.client_address[0]}
            asked = http.client.HTTPConnection("127.0.0.1", to, timeout=60)
            try:
                asked.request(self.command, self.path, body or None, headers)
                answer = asked.getresponse()
                text = answer.read()
            except OSError:
                self.send_error(502)
                return
            finally:
                asked.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in KEPT_BACK | {"content-length"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

        def log_message(self, *_: Any) -> None:
            """The test says what it saw."""

    return PassedOn
