"""A local REST source that serves pages `{"data": […], "next": url or null}` from memory.

    python -m bench.order_server PORT COUNT PAGE [GENERATION]

`GENERATION` changes every order's version and total, so that a second load finds everything changed.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


def order(i: int, generation: int = 1) -> dict[str, Any]:
    return {
        "id": i,
        "number": f"ORD-{i:08d}",
        "customer": {"id": i % 5000, "name": f"Customer {i % 5000}", "country": ["DE", "FR", "US", "JP"][i % 4]},
        "status": ["open", "paid", "shipped"][i % 3],
        "currency": "EUR",
        "total": round(i % 9000 + 0.25 * generation, 2),
        "note": "handle with care " * 3,
        "created_at": f"2026-0{i % 9 + 1}-1{i % 9}T10:{i % 60:02d}:00Z",
        "updated_at": f"2026-10-1{i % 9}T11:{i % 60:02d}:00Z",
        "express": i % 7 == 0,
        "weight_g": i % 30000,
        "version": generation,
    }


def serve(port: int, count: int, size: int, generation: int) -> None:
    pages = []
    for start in range(0, count, size):
        following = f"http://127.0.0.1:{port}/orders?page={start // size + 2}" if start + size < count else None
        pages.append(
            json.dumps(
                {"data": [order(i, generation) for i in range(start, min(count, start + size))], "next": following}
            ).encode()
        )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = int(parse_qs(urlparse(self.path).query).get("page", ["1"])[0])
            body = pages[page - 1]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"ready {sum(map(len, pages)) / count:.0f} bytes an order", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(*map(int, ([*sys.argv, "1"])[1:5]))
