"""Other places to which each head goes at once: a webhook, syslog, an S3-compatible store. What fails there is logged
and counted, and the file has it anyway."""

from __future__ import annotations

import hashlib
import hmac
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore
import httpx
from django.conf import settings

from kernel import clock, egress, measures

log = logging.getLogger(__name__)
SECONDS = 5.0
TIMEOUT = httpx.Timeout(SECONDS)
AUTH_NOTICE = 4 * 8 + 5  # facility and severity of syslog
FAILED = measures.counter("witness_failures", "Heads of the ledger that a witness did not take.", ["witness"])


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3-compatible store: `https://host/bucket/prefix`, and the keys of an account that may only put objects."""

    url: str
    key: str
    secret: str
    region: str


def send(line: bytes, position: int) -> list[str]:
    """To every place that is set. Answers which did not take it, with the reason; never raises for one."""
    failed = []
    for name, give in _places().items():
        try:
            give(line, position)
        except (OSError, httpx.HTTPError, httpcore.ConnectError, httpcore.TimeoutException, ValueError) as error:
            FAILED.labels(name).inc()
            failed.append(f"{name}: {type(error).__name__} {error}"[:200])
            log.error("the witness %s did not take the head at position %d: %s", name, position, error)
    return failed


def _places() -> dict[str, Callable[[bytes, int], None]]:
    found: dict[str, Callable[[bytes, int], None]] = {}
    witness: Mapping[str, Any] = settings.WITNESS
    if witness["webhook"]:
        found["webhook"] = lambda line, position: _to_webhook(witness["webhook"], line)
    if witness["syslog"]:
        found["syslog"] = lambda line, position: _to_syslog(witness["syslog"], line)
    if witness["s3_url"]:
        store = ObjectStore(witness["s3_url"], witness["s3_key"], witness["s3_secret"], witness["s3_region"])
        found["s3"] = lambda line, position: put(store, line, position, clock.now())
    return found


def _client() -> httpx.Client:
    return egress.client(egress.OPERATORS, TIMEOUT)


def _to_webhook(url: str, line: bytes) -> None:
    with _client() as http:
        _require_taken(http.post(url, content=line, headers={"Content-Type": "application/json"}))


def _to_syslog(address: str, line: bytes) -> None:
    """`udp://host:514`, `tcp://host:601` or `unix:///dev/log`; facility auth, severity notice."""
    parts = urlsplit(address)
    message = b"<%d>tillgate-witness: " % AUTH_NOTICE + line + b"\n"
    kind = socket.SOCK_STREAM if parts.scheme == "tcp" else socket.SOCK_DGRAM
    family: socket.AddressFamily = socket.AF_UNIX
    where: Any = parts.path
    if parts.scheme != "unix":
        port = parts.port or 514
        host = egress.addresses(parts.hostname or "", port, SECONDS, egress.OPERATORS)[0]
        family, where = (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
    with socket.socket(family, kind) as out:
        out.settimeout(SECONDS)
        out.connect(where)
        out.sendall(message)


def put(store: ObjectStore, line: bytes, position: int, at: datetime) -> None:
    """One object a head, named by time and position; a store that keeps versions or locks objects keeps it for good."""
    name = f"{at:%Y/%m/%d}/{at:%H%M%S}-{position}.json"
    base = urlsplit(store.url.rstrip("/"))
    path = quote(f"{base.path}/{name}")
    headers = signed_headers(store, base.netloc, path, line, at)
    with _client() as http:
        _require_taken(http.put(f"{base.scheme}://{base.netloc}{path}", content=line, headers=headers))


def signed_headers(store: ObjectStore, host: str, path: str, body: bytes, at: datetime) -> dict[str, str]:
    """AWS Signature Version 4 of a PUT with `If-None-Match: *`, so that no object is ever replaced."""
    stamp, day = f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}"
    content = hashlib.sha256(body).hexdigest()
    sent = {"host": host, "if-none-match": "*", "x-amz-content-sha256": content, "x-amz-date": stamp}
    names = ";".join(sorted(sent))
    asked = "\n".join(["PUT", path, "", *(f"{name}:{sent[name]}" for name in sorted(sent)), "", names, content])
    scope = f"{day}/{store.region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{store.secret}".encode()
    for part in (day, store.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={store.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**{name: value for name, value in sent.items() if name != "host"}, "authorization": credential}


def _require_taken(answer: httpx.Response) -> None:
    if not 200 <= answer.status_code < 300:
        raise ValueError(f"it answered {answer.status_code}")
