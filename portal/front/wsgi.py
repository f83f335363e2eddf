"""A WSGI application called in a thread, with a body that is there and an answer that is complete when it ends."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from kernel.errors import Unavailable
from kernel.request import serving
from portal.front.proxies import Proxies
from portal.problem import HELD_HEADER, WHY_HEADER

Headers = list[tuple[bytes, bytes]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
IN_MEMORY = 1024 * 1024
PART = 64 * 1024
NO_PROXIES = Proxies()
_OURS = frozenset({HELD_HEADER, WHY_HEADER})
WARMING = "tillgate.warming"  # in the environ of a call that nobody made; no header has such a name


@dataclass(slots=True)
class FrontAnswer:
    """What goes back. `body` is bytes, or a file of `length` bytes where it is long."""

    status: int
    headers: Headers
    body: bytes | IO[bytes]
    held: bool = False
    """Nothing was done, because others keep something locked; the body of the request is still open."""
    why: str = ""
    """The code of what could not be done now."""

    def parts(self) -> Iterable[bytes]:
        if isinstance(self.body, bytes):
            yield self.body
            return
        while part := self.body.read(PART):
            yield part

    def close(self) -> None:
        if not isinstance(self.body, bytes):
            self.body.close()


def environ_of(scope: Mapping[str, Any], body: IO[bytes], length: int, proxies: Proxies = NO_PROXIES) -> dict[str, Any]:
    """PEP 3333 from an ASGI scope. A header with an underscore is left out: it would pass for the one with a dash.
    REMOTE_ADDR is the client's, as proxies of one's own saw it; of the scheme, too, nobody else is believed."""
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw.partition(b"?")[0]) if raw else scope["path"].encode()
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 80),
        "REMOTE_ADDR": client[0],
        "CONTENT_LENGTH": str(length),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": SentFile,
    }
    for name, value in scope["headers"]:
        if b"_" in name or name == b"content-length":
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    if proxies:
        if not proxies.believes(client[0]):
            environ.pop("HTTP_X_FORWARDED_PROTO", None)
        environ["REMOTE_ADDR"] = proxies.client(client[0], environ.get("HTTP_X_FORWARDED_FOR", ""))
    return environ


class SentFile:
    """`wsgi.file_wrapper` of PEP 3333: a file that stands on the disk is sent from there, without a copy."""

    def __init__(self, file: IO[bytes], block_size: int = PART) -> None:
        self.file, self.block_size = file, block_size

    def __iter__(self) -> Iterator[bytes]:
        while part := self.file.read(self.block_size):
            yield part


def call(application: Wsgi, environ: dict[str, Any]) -> FrontAnswer:
    """Run it to its end. The thread is free when this returns, however slowly the client reads. The body is closed but
    for an answer that is `held`."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]
        return _no_write

    held = False
    try:
        # The handler itself writes lines, too, outside of any middleware.
        with serving(environ.get("HTTP_X_REQUEST_ID")):
            answer = application(environ, start_response)
            try:
                body = _collected(answer)
            finally:
                close = getattr(answer, "close", None)
                if close is not None:
                    close()
        status, headers = started[0]
        held = any(name == HELD_HEADER for name, _ in headers)
    finally:
        if not held:
            environ["wsgi.input"].close()
    sent = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers if n not in _OURS]
    why = next((value for name, value in headers if name == WHY_HEADER), "")
    return FrontAnswer(int(status.partition(" ")[0]), sent, body, held, why)


def _no_write(_: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is for applications older than this one")


def _collected(answer: Iterable[bytes]) -> bytes | IO[bytes]:
    if isinstance(answer, SentFile):
        return answer.file
    parts, size = [], 0
    each = iter(answer)
    for part in each:
        parts.append(part)
        size += len(part)
        if size > IN_MEMORY:
            break
    else:
        return b"".join(parts)
    kept = _written(parts)
    try:
        for part in each:
            _write(kept, part)
        kept.seek(0)
    except BaseException:
        kept.close()
        raise
    return kept


def _written(parts: list[bytes]) -> IO[bytes]:
    try:
        kept = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by who sends it
    except OSError as error:
        raise _no_room() from error
    try:
        for part in parts:
            _write(kept, part)
    except BaseException:
        kept.close()
        raise
    return kept


def _write(kept: IO[bytes], part: bytes) -> None:
    try:
        left = memoryview(part)
        while left:
            left = left[kept.write(left) :]
    except OSError as error:
        raise _no_room() from error


def _no_room() -> Unavailable:
    said = "There is no room to keep this answer until it is sent. What was asked may have been carried out."
    return Unavailable("answer.no_room", said, {"retry_after": 5})
