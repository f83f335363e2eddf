"""A local OData server, V2 and V4, that pages from memory and answers a keyset position (`changed ge …`).

python -m bench.odata_server PORT COUNT PAGE
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_AT = re.compile(r"changed ge (?:datetimeoffset')?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


def row(number: int, *, old: bool) -> dict[str, Any]:
    at = BEGAN + timedelta(seconds=number)
    changed = f"/Date({int(at.timestamp() * 1000)}+0000)/" if old else at.strftime("%Y-%m-%dT%H:%M:%SZ")
    price = f"{number % 9000}.25" if old else number % 9000 + 0.25
    more = {"__metadata": {"uri": f"Rows('{number:08}')"}} if old else {"@odata.etag": 'W/"1"'}
    text = "handle with care " * 3
    return {**more, "id": f"{number:08}", "name": f"Row {number}", "price": price, "note": text, "changed": changed}


def serve(port: int, count: int, size: int) -> None:
    rows = {old: [json.dumps(row(n, old=old)).encode() for n in range(count)] for old in (True, False)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlparse(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            old = parts.path.startswith("/v2/")
            start = int(query.get("$skiptoken", 0))
            if found := _AT.search(query.get("$filter", "")):
                start = int((datetime.fromisoformat(found[1] + "+00:00") - BEGAN).total_seconds())
            if "eq null" in query.get("$filter", ""):
                start = count
            listed = b",".join(rows[old][start : start + size])
            link = f"http://127.0.0.1:{port}/{'v2' if old else 'v4'}/Rows?$skiptoken={start + size}"
            more = link.encode() if start + size < count else b""
            if old:
                body = b'{"d":{"results":[' + listed + b"]" + (b',"__next":"' + more + b'"' if more else b"") + b"}}"
            else:
                after = b',"@odata.nextLink":"' + more + b'"' if more else b""
                body = b'{"@odata.context":"$metadata#Rows","value":[' + listed + b"]" + after + b"}"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:4]))
