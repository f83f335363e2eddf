"""The ASGI application: health from the loop, everything else through a body, a place and a thread."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from kernel import measures
from kernel.errors import DomainError
from kernel.request import serving
from kernel.retry import RetryPolicy
from portal import problem
from portal.front import bodies
from portal.front.bodies import Receive
from portal.front.places import ThreadPlaces, threads_of
from portal.front.wsgi import FrontAnswer, Wsgi, call, environ_of
from portal.readiness import Readiness

Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)
REFUSED = measures.counter(
    "web_refused_requests",
    "Requests that were refused before they had a thread: body, time, crowd.",
    ["code", "status"],
)
HELD_BACK = measures.gauge(
    "web_held_back_requests", "Requests that wait for what others keep locked, without a thread."
)
HELD = RetryPolicy(base=0.2, factor=1.5, ceiling=0.6)
"""A request that needs what others keep locked is tried again."""
HELD_SECONDS = 3.0  # for all tries of one request: less than a till waits for its answer
MOST_HELD_BACK = 256  # requests of one process; their bodies are kept meanwhile
SEND_SECONDS = 60.0  # for a part of an answer that its reader does not take
SWITCH_SECONDS = 0.001  # how long a thread may keep the interpreter while the loop waits for it
_OPERATION = (("/api/v1/intake/", "intake"), ("/api/v1/gate", "gate"), ("/api/v1/stores", "gate"))


@dataclass(slots=True)
class Front:
    """One process of the web server."""

    django: Wsgi
    readiness: Readiness
    limit: int
    threads: Mapping[str, int] = field(default_factory=lambda: threads_of(os.environ.get("WEB_THREADS", "")))
    seconds: float = bodies.SECONDS
    places: dict[str, ThreadPlaces] = field(init=False)
    held_back: int = 0

    def __post_init__(self) -> None:
        # Tills share a token, so theirs are not divided by client; of the others no client takes more than half.
        count = self.threads
        self.places = {
            name: ThreadPlaces(name, count[name], count[name] if name == "intake" else max(1, (count[name] + 1) // 2))
            for name in count
        }
        sys.setswitchinterval(SWITCH_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _send(await self._answer(scope, receive), scope["method"], send)

    async def _answer(self, scope: Scope, receive: Receive) -> FrontAnswer:
        path = scope["path"]
        if path == "/health/live":
            return _json(200, b'{"status": "live"}')
        if path == "/health/ready":
            status, said = await self.readiness.answer()
            return _json(status, said)
        headers = {name: value for name, value in scope["headers"] if name in _NEEDED}
        try:
            body, length = await bodies.read(receive, _announced(headers), self.limit, seconds=self.seconds)
        except DomainError as error:
            return _refusal(error, headers, close=True)
        try:
            return await self._answered(scope, headers, body, length)
        except DomainError as error:
            return _refusal(error, headers)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s %s", scope["method"], path)
            failed = DomainError("page.server_error", "Something failed on our side; the server's log says what.")
            failed.status, failed.title = 500, "This did not work"
            return _refusal(failed, headers)

    async def _answered(
        self, scope: Scope, headers: Mapping[bytes, bytes], body: IO[bytes], length: int
    ) -> FrontAnswer:
        """Who needs what others keep locked for a moment (an open append that stands still ends after a second) waits
        here, without a thread and as one of `MOST_HELD_BACK`, and is tried again. Raises DomainError."""
        name = next((name for begin, name in _OPERATION if scope["path"].startswith(begin)), "other")
        tried, ends = 0, asyncio.get_running_loop().time() + HELD_SECONDS
        while True:
            environ = environ_of(scope, body, length)
            answer = await self.places[name].run(_client(headers, environ), partial(call, self.django, environ))
            if not answer.held:
                return answer
            pause = HELD.pause(tried)
            if self.held_back >= MOST_HELD_BACK or asyncio.get_running_loop().time() + pause > ends:
                body.close()
                return answer
            await self._hold_back(body, pause)
            tried += 1

    async def _hold_back(self, body: IO[bytes], pause: float) -> None:
        self.held_back += 1
        try:
            with HELD_BACK.track_inprogress():
                await asyncio.sleep(pause)
            body.seek(0)
        except BaseException:
            body.close()
            raise
        finally:
            self.held_back -= 1


_NEEDED = {b"content-length", b"transfer-encoding", b"x-request-id", b"authorization", b"cookie"}


def _announced(headers: Mapping[bytes, bytes]) -> int | None:
    given = headers.get(b"content-length")
    if given is not None and given.isdigit():
        return int(given)
    return None if b"transfer-encoding" in headers else 0


def _client(headers: Mapping[bytes, bytes], environ: Mapping[str, Any]) -> bytes | str:
    """Who asks: a token, a session, else an address."""
    return headers.get(b"authorization") or headers.get(b"cookie") or environ["REMOTE_ADDR"]


def _json(status: int, body: bytes) -> FrontAnswer:
    return FrontAnswer(status, [(b"content-type", b"application/json"), (b"cache-control", b"no-store")], body)


def _refusal(error: DomainError, headers: Mapping[bytes, bytes], *, close: bool = False) -> FrontAnswer:
    REFUSED.labels(error.code, str(error.status)).inc()
    with serving(headers.get(b"x-request-id", b"").decode("latin-1")) as identifier:
        log.info("refused before it had a thread: %s %s", error.status, error.code)
        made = problem.respond(error)
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in made.headers.items()]
    sent.append((b"x-request-id", identifier.encode()))
    if close:  # the rest of the body is not wanted, so the next request of this connection could not be found
        sent.append((b"connection", b"close"))
    return FrontAnswer(error.status, sent, made.content)


async def _send(answer: FrontAnswer, method: str, send: Send) -> None:
    """A reader that takes nothing for a minute is left; only this connection waits for it."""
    try:
        if isinstance(answer.body, bytes) and not any(name == b"content-length" for name, _ in answer.headers):
            answer.headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
            return
        for part in answer.parts():
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (TimeoutError, OSError) as error:
        log.warning("an answer was not read to its end: %s", error or "time is up")
    finally:
        answer.close()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
