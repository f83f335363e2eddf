"""The ASGI application: health from the loop, everything else through a body, a place and a thread."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from kernel import measures
from kernel.errors import DomainError, Unauthenticated
from kernel.request import serving
from kernel.retry import RetryPolicy
from portal import problem
from portal.answer_headers import PROMISED
from portal.front import bodies, refused_calls
from portal.front.bodies import Receive
from portal.front.body_room import IN_MEMORY, BodyRoom, KeptBody, total
from portal.front.callers import CALLER, Callers
from portal.front.connections import ConnectionLooks, Connections, peer_of
from portal.front.guesses import KnownAddresses, TokenGuesses
from portal.front.life import give_signs
from portal.front.places import OF_ONE, ClientGone, ThreadPlaces, threads_of
from portal.front.refused_calls import NO_REASON
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
SPARE = 4  # threads of intake for callers who have none
MOST_BYTES = 8 * 1024 * 1024  # of one caller's bodies at work in intake at a time; one of any size is
MOST_HELD_BACK = 256  # requests of one process; their bodies are kept meanwhile
SEND_SECONDS = 60.0  # for a part of an answer that its reader does not take
SWITCH_SECONDS = 0.001  # how long a thread may keep the interpreter while the loop waits for it
HOOKS = "/hooks/"
MOST_HOOK_BYTES = 1024 * 1024  # of one webhook; who sends it is known by its body alone
_OPERATION = (("/api/v1/intake/", "intake"), (HOOKS, "intake"), ("/api/v1/gate", "gate"), ("/api/v1/stores", "gate"))


@dataclass(slots=True)
class Front:
    """One process of the web server."""

    django: Wsgi
    readiness: Readiness
    limit: int
    threads: Mapping[str, int] = field(default_factory=lambda: threads_of(os.environ.get("WEB_THREADS", "")))
    seconds: float = bodies.SECONDS
    callers: Callers = field(default_factory=Callers)
    identify: Callable[[str, str], Hashable | None] | None = None
    """Says, in a thread, whose a token or a session is. Without it large bodies are taken from anybody."""
    room: BodyRoom = field(default_factory=lambda: BodyRoom(total()))
    connections: Connections = field(default_factory=Connections)
    guesses: TokenGuesses = field(default_factory=TokenGuesses)
    hooks: KnownAddresses = field(default_factory=KnownAddresses)
    places: dict[str, ThreadPlaces] = field(init=False)
    held_back: int = 0

    def __post_init__(self) -> None:
        # Tills share a token, so theirs are not divided by client; of the others no client takes more than half.
        count = self.threads
        self.places = {
            name: ThreadPlaces(name, count[name], count[name], spare=SPARE, most_bytes=MOST_BYTES)
            if name == "intake"
            else ThreadPlaces(name, count[name], max(1, (count[name] + 1) // 2), of_one=OF_ONE)
            for name in count
        }
        sys.setswitchinterval(SWITCH_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            signs, looks = asyncio.create_task(give_signs(self.places.values())), ConnectionLooks(self.connections)
            looks.start()
            try:
                await _lifespan(receive, send)
            finally:
                looks.stop()
                signs.cancel()
        elif scope["type"] == "http":
            peer = peer_of(scope.get("client"))
            self.connections.begins(peer)
            try:
                answer = await self._answer(scope, receive)
                if answer.status >= 500:
                    refused_calls.counted.note(self._kind(scope), answer.why or NO_REASON)
                await _send(answer, scope["method"], send)
            finally:
                self.connections.ends(peer)

    async def _answer(self, scope: Scope, receive: Receive) -> FrontAnswer:
        path = scope["path"]
        if path == "/health/live":
            return _json(200, b'{"status": "live"}')
        if path == "/health/ready":
            status, said = await self.readiness.answer()
            return _json(status, said)
        headers = _needed(scope)
        if (twice := _said_twice(scope)) is not None:
            return _refusal(twice, headers, close=True)
        try:
            address = self._judge_token(scope, headers)
            body, length = await self._body(scope, receive, headers)
        except DomainError as error:
            return _refusal(error, headers, close=True)
        try:
            answer = await self._answered(scope, headers, body, length, receive)
            if answer.status == 401 and address:
                self.guesses.failed(address, asyncio.get_running_loop().time())
            elif answer.status == 200 and path.startswith(HOOKS):
                self.hooks.learn(path)
            return answer
        except ClientGone:
            body.close()
            return FrontAnswer(499, [], b"")
        except DomainError as error:
            return _refusal(error, headers)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s %s", scope["method"], path)
            failed = DomainError("page.server_error", "Something failed on our side; the server's log says what.")
            failed.status, failed.title = 500, "This did not work"
            return _refusal(failed, headers)

    def _judge_token(self, scope: Scope, headers: Mapping[bytes, bytes]) -> str:
        """The address that counts where the token turns out to be nobody's; empty without a token that is not known.
        Of webhooks it counts as long as the place that they are sent to has taken none. Raises TooManyTokens."""
        if scope["path"].startswith(HOOKS):
            if scope["path"] in self.hooks:
                return ""
        elif b"authorization" not in headers or self.callers.credential(headers) in self.callers.known:
            return ""
        address = self.callers.address(headers, (scope.get("client") or ("",))[0])
        self.guesses.judge(address, asyncio.get_running_loop().time())
        return address

    def _kind(self, scope: Scope) -> str:
        path: str = scope["path"]
        if path.startswith("/sign-in") and scope["method"] == "POST" and "sign_in" in self.places:
            return "sign_in"
        return next((name for begin, name in _OPERATION if path.startswith(begin)), "other")

    async def _body(self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]) -> tuple[IO[bytes], int]:
        """A large one is read only for who has a token or a session. Raises DomainError."""
        announced, limit = _announced(headers), self.limit
        if announced == 0:
            return await bodies.read(receive, 0, limit, partial(KeptBody, self.room, "", 1), seconds=self.seconds)
        credential = self.callers.credential(headers)
        host = (scope.get("client") or ("",))[0]
        known = credential in self.callers.known
        if scope["path"].startswith(HOOKS):
            limit = min(limit, MOST_HOOK_BYTES)
        elif not known and self.identify is not None and (announced is None or IN_MEMORY < announced <= limit):
            known = bool(credential) and await self._identified(scope, headers, credential, host)
            if not known and announced is not None:
                raise Unauthenticated(
                    "request.not-authenticated",
                    "A body of more than 256 KB is read only with a valid token, or in a session that is signed in.",
                )
            limit = limit if known else min(limit, IN_MEMORY)
        keep = partial(KeptBody, self.room, self.callers.caller(credential, headers, host), 2 if known else 8)
        return await bodies.read(receive, announced, limit, keep, seconds=self.seconds)

    async def _identified(self, scope: Scope, headers: Mapping[bytes, bytes], credential: bytes, host: str) -> bool:
        assert self.identify is not None
        given = headers.get(b"authorization", b"").decode("latin-1"), self.callers.session_key(headers)
        address = self.callers.address(headers, host)
        found = await self.places[self._kind(scope)].run(address, partial(self.identify, *given))
        self.callers.learn(credential, {CALLER: found})
        return found is not None

    async def _answered(
        self, scope: Scope, headers: Mapping[bytes, bytes], body: IO[bytes], length: int, receive: Receive
    ) -> FrontAnswer:
        """Who needs what others keep locked for a moment (an open append that stands still ends after a second) waits
        here, without a thread and as one of `MOST_HELD_BACK`, and is tried again. Raises DomainError."""
        name, gone = self._kind(scope), partial(bodies.client_gone, receive)
        credential = self.callers.credential(headers)
        tried, ends = 0, asyncio.get_running_loop().time() + HELD_SECONDS
        while True:
            environ = environ_of(scope, body, length, self.callers.proxies)
            caller = self.callers.caller(credential, headers, environ["REMOTE_ADDR"])
            answer = await self.places[name].run(caller, partial(call, self.django, environ), size=length, gone=gone)
            self.callers.learn(credential, environ)
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


_NEEDED = {b"content-length", b"transfer-encoding", b"x-request-id", b"authorization", b"cookie", b"x-forwarded-for"}


def _needed(scope: Scope) -> dict[bytes, bytes]:
    """The headers that the front reads. Several lines of X-Forwarded-For are one (RFC 9110 §5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _NEEDED:
            found[name] = found[name] + b"," + value if name == b"x-forwarded-for" and name in found else value
    return found


_ONCE = {b"content-length": "lengths", b"transfer-encoding": "encodings", b"host": "hosts"}
"""What decides where a request ends and to whom it is; a proxy before us may go by another line of several."""


def _said_twice(scope: Scope) -> DomainError | None:
    lines = [name for name, _ in scope["headers"] if name in _ONCE]
    name = next((name for name in lines if lines.count(name) > 1), None)
    if name is None:
        return None
    said = f"The request has several {name.decode().title()} lines. Send one."
    return DomainError(f"request.several_{_ONCE[name]}", said)


_NUMBER = re.compile(rb"[0-9]{1,18}")


def _announced(headers: Mapping[bytes, bytes]) -> int | None:
    given = headers.get(b"content-length")
    if given is not None and _NUMBER.fullmatch(given):
        return int(given)
    return None if b"transfer-encoding" in headers else 0


_PROMISED = tuple((name.lower().encode(), value.encode()) for name, value in PROMISED.items())


def _json(status: int, body: bytes) -> FrontAnswer:
    return FrontAnswer(status, [(b"content-type", b"application/json"), *_PROMISED], body)


def _refusal(error: DomainError, headers: Mapping[bytes, bytes], *, close: bool = False) -> FrontAnswer:
    REFUSED.labels(error.code, str(error.status)).inc()
    with serving(headers.get(b"x-request-id", b"").decode("latin-1")) as identifier:
        log.info("refused before it had a thread: %s %s", error.status, error.code)
        made = problem.respond(error)
    sent = [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in made.headers.items()
        if name != problem.WHY_HEADER
    ]
    sent += [*_PROMISED, (b"x-request-id", identifier.encode())]
    if error.status == 429:
        sent.append((b"retry-after", str(error.data.get("retry_after", 1)).encode()))
    if error.status == 401:
        sent.append((b"www-authenticate", b'Bearer realm="tillgate"'))
    if close:  # the rest of the body is not wanted, so the next request of this connection could not be found
        sent.append((b"connection", b"close"))
    return FrontAnswer(error.status, sent, made.content, why=error.code)


async def _send(answer: FrontAnswer, method: str, send: Send) -> None:
    """A reader that takes nothing for a minute is left; only this connection waits for it."""
    try:
        if isinstance(answer.body, bytes) and not any(name == b"content-length" for name, _ in answer.headers):
            answer.headers.append((b"content-length", b"%d" % len(answer.body)))
        answer.headers.append((b"server", b"tillgate"))  # else granian tells its own name
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
            return
        for part in answer.parts():
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except (TimeoutError, OSError) as error:
        log.warning("an answer was not read to its end: %s", str(error) or f"nothing was taken for {SEND_SECONDS:g} s")
    finally:
        answer.close()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
