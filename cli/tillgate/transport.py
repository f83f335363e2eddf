"""One request to the gate: within one time limit, to one address, following nothing.

The whole exchange (name, connection, proxy, TLS, sending, reading) runs in a thread that is left behind when the time
is over: a limit for each read would never end with a server that sends a byte now and then. Redirects are refused, so
that the token reaches no other address.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from base64 import b64encode
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tillgate.exits import BAD_REQUEST, NO_VERDICT, Failure, clean

LARGEST = 4 * 1024 * 1024
LATER = frozenset({408, 425, 429, 502, 503, 504})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class GateAddress(NamedTuple):
    """Where the gate is, how it is reached, and the token for it."""

    secure: bool
    host: str
    port: int
    path: str
    token: str
    ca_file: str | None = None
    proxy: str | None = None

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == (443 if self.secure else 80) else f":{self.port}"
        return f"{'https' if self.secure else 'http'}://{host}{port}{self.path}"

    @property
    def in_clear(self) -> bool:
        """The token would travel readable over a network."""
        return bool(self.token) and not self.secure and self.host not in LOOPBACK


def address(url: str, token: str, *, ca_file: str | None = None, environ: dict[str, str] | None = None) -> GateAddress:
    """The address, checked. Raises Failure 3 for a URL or token that cannot be one."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise Failure(BAD_REQUEST, f"--url cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure(BAD_REQUEST, f"--url starts with http:// or https:// and names a host, not {clean(url)!r}.")
    if parts.username is not None or parts.query or parts.fragment or not url.strip().isprintable():
        raise Failure(BAD_REQUEST, "--url is an address without user, query, fragment and control characters.")
    bare = token.strip()
    if not all("!" <= char <= "~" for char in bare):
        raise Failure(BAD_REQUEST, "The token holds characters that no token has; look for a line break or a quote.")
    secure = parts.scheme == "https"
    host, number = parts.hostname, port or (443 if secure else 80)
    return GateAddress(
        secure, host, number, parts.path.rstrip("/"), bare, ca_file, _proxy(secure, host, number, environ or {})
    )


def _proxy(secure: bool, host: str, port: int, environ: dict[str, str]) -> str | None:
    """The proxy that the environment names for this host, as curl and pip read it."""
    names = ("https_proxy", "HTTPS_PROXY") if secure else ("http_proxy",)
    found = next((environ[name] for name in (*names, "all_proxy", "ALL_PROXY") if environ.get(name)), None)
    if not found:
        return None
    for entry in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(","):
        name, _, its_port = entry.strip().lower().lstrip(".").partition(":")
        if name == "*" or (name and (host == name or host.endswith("." + name)) and its_port in ("", str(port))):
            return None
    return found if "://" in found else f"http://{found}"


class Heard(NamedTuple):
    """A whole response."""

    status: int
    headers: Message
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header that may stand once; empty when it does not stand there, or more than once."""
        found = self.headers.get_all(name) or []
        return str(found[0]).strip() if len(found) == 1 else ""

    @property
    def media_type(self) -> str:
        kind, _, more = self.header("Content-Type").partition(";")
        charset = more.strip().lower().replace('"', "")
        return kind.strip().lower() if charset in ("", "charset=utf-8") else ""


def post(gate: GateAddress, path: str, body: dict[str, Any], seconds: float) -> tuple[Heard, bytes]:
    """The response with a status of success, and the bytes that were sent. Raises Failure 3 or 4."""
    sent = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return _heard(gate, path, sent, seconds), sent


def get(gate: GateAddress, path: str, seconds: float) -> Heard:
    """The response with a status of success. Raises Failure 3 or 4."""
    return _heard(gate, path, None, seconds)


def _heard(gate: GateAddress, path: str, sent: bytes | None, seconds: float) -> Heard:
    heard = _Exchange(gate, path, sent, seconds).run()
    if heard.header("Content-Encoding") not in ("", "identity"):
        raise Failure(NO_VERDICT, f"The gate at {gate.url} sent a packed answer, which was not asked for.")
    if 200 <= heard.status < 300:
        return heard
    raise _refusal(gate, heard)


class _Exchange:
    def __init__(self, gate: GateAddress, path: str, sent: bytes | None, seconds: float) -> None:
        self.gate, self.path, self.sent, self.seconds = gate, gate.path + path, sent, seconds
        self.over = threading.Event()
        self.heard: Heard | None = None
        self.failure: Failure | None = None
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> Heard:
        threading.Thread(target=self._work, daemon=True).start()
        if not self.over.wait(self.seconds):
            self._abandon()
            raise Failure(
                NO_VERDICT, f"The gate at {self.gate.url} gave no whole answer in {round(self.seconds, 2):g} seconds."
            )
        if self.heard is None:
            raise self.failure or Failure(NO_VERDICT, f"The gate at {self.gate.url} gave no answer.")
        return self.heard

    def _abandon(self) -> None:
        line = self.connection.sock if self.connection else None
        if line is not None:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _work(self) -> None:
        try:
            self.heard = self._speak()
        except Failure as failure:
            self.failure = failure
        except Exception as error:  # what a server or a proxy can send is without end; none of it is a verdict
            said = clean(getattr(error, "reason", None) or error) or type(error).__name__
            self.failure = Failure(NO_VERDICT, f"The gate at {self.gate.url} does not answer: {said}.")
        finally:
            if self.connection is not None:
                self.connection.close()
            self.over.set()

    def _speak(self) -> Heard:
        target = self.path
        self.connection = connection = self._connection()
        headers = {
            **({} if self.sent is None else {"Content-Type": "application/json"}),
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",
            "User-Agent": "tillgate",
            "Connection": "close",
        }
        if self.gate.token:
            headers["Authorization"] = f"Bearer {self.gate.token}"
        if self.gate.proxy and not self.gate.secure:
            target = f"{self.gate.url.removesuffix(self.gate.path)}{target}"
            headers |= _credentials(self.gate.proxy)
        connection.request("GET" if self.sent is None else "POST", target, self.sent, headers)
        with connection.getresponse() as response:
            body = response.read(LARGEST + 1)
            if len(body) > LARGEST:
                raise Failure(NO_VERDICT, f"{self.gate.url} sent more than {LARGEST} bytes, which no verdict has.")
            if response.length:
                raise Failure(NO_VERDICT, f"The answer of {self.gate.url} ended {response.length} bytes early.")
            return Heard(response.status, response.headers, body)

    def _connection(self) -> http.client.HTTPConnection:
        gate = self.gate
        host, port = gate.host, gate.port
        if gate.proxy:
            parts = urlsplit(gate.proxy)
            if parts.scheme != "http" or not parts.hostname:
                raise Failure(BAD_REQUEST, "The proxy of the environment is no http:// address.")
            host, port = parts.hostname, parts.port or 8080
        if not gate.secure:
            return http.client.HTTPConnection(host, port, timeout=self.seconds)
        try:
            context = ssl.create_default_context(cafile=gate.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Failure(BAD_REQUEST, f"--ca-file {gate.ca_file} cannot be read: {clean(error)}") from None
        connection = http.client.HTTPSConnection(host, port, timeout=self.seconds, context=context)
        if gate.proxy:
            connection.set_tunnel(gate.host, gate.port, _credentials(gate.proxy))
        return connection


def _credentials(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + b64encode(pair).decode()}


def _refusal(gate: GateAddress, heard: Heard) -> Failure:
    """What a status that is no success means: 3 only where a Tillgate says so itself, 4 for everything else."""
    status = heard.status
    if 300 <= status < 400:
        to = clean(heard.header("Location"), 300) or "nowhere"
        return Failure(
            NO_VERDICT,
            f"The gate at {gate.url} answered {status}, a redirect to {to}. Redirects are not followed, and the token "
            "went nowhere else; put the right address into --url.",
        )
    ours = heard.media_type == "application/problem+json"
    detail = problem_text(heard.body) if ours else "not in the words of a Tillgate; is something in front of it?"
    if status in LATER or status >= 500:
        pause = pause_of(heard.header("Retry-After"), datetime.now(UTC))
        return Failure(NO_VERDICT, f"The gate answered {status}: {detail}", again=status in LATER, pause=pause)
    if ours and 400 <= status < 500 and status != 407:
        return Failure(BAD_REQUEST, f"The gate answered {status}: {detail}")
    return Failure(NO_VERDICT, f"The gate at {gate.url} answered {status}: {detail}")


def problem_text(body: bytes) -> str:
    """The detail and the findings of a problem document (RFC 9457), each on a line of its own."""
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return "a problem that cannot be read"
    if not isinstance(problem, dict):
        return "a problem that cannot be read"
    findings = problem.get("findings")
    lines = [
        f"\n  - {clean(finding.get('pointer', ''), 300)}: {clean(finding.get('message', ''))}"
        for finding in (findings if isinstance(findings, list) else [])[:50]
        if isinstance(finding, dict)
    ]
    return clean(problem.get("detail") or problem.get("title") or "no reason given") + "".join(lines)


def pause_of(text: str, now: datetime) -> float:
    """The seconds of a Retry-After header (seconds or a date); 0 without one that can be read."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return 0.0
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp())
