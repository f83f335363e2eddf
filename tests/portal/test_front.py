"""The front: bodies before threads, places for each kind of caller, health whatever hangs."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from kernel.errors import Unavailable
from kernel.request import request_id
from portal.front import places, wsgi
from portal.front.application import Front
from portal.front.places import ThreadPlaces, threads_of
from portal.readiness import Readiness
from runtime.ledger import pool

LIMIT = 1000
OK = {"database": "ok", "migrations": "ok", "intake": "ok"}


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode("latin-1"), b"|", body]


def front(django: Any = echo, *, look: Callable[[], dict[str, str]] = lambda: OK, **more: Any) -> Front:
    given = {"limit": LIMIT, "threads": {"intake": 2, "gate": 1, "other": 2}, "seconds": 0.05} | more
    return Front(django, Readiness(look=look, wait=0.05), **given)


class Call:
    """One request of a client that sends these parts, and then nothing more unless it is the end."""

    def __init__(
        self, path: str, *parts: bytes, ends: bool = True, breaks: bool = False, method: str = "POST", **headers: str
    ) -> None:
        self.parts, self.ends, self.breaks = list(parts), ends, breaks
        given = {"content-length": str(len(b"".join(parts)) if ends else 500)}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"a=1",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("10.0.0.9", 5),
            "server": ("10.1.2.3", 8000),
            "scheme": "http",
        }
        self.sent: list[dict[str, Any]] = []
        self.told = False

    async def receive(self) -> dict[str, Any]:
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.ends}
        if self.breaks:
            return {"type": "http.disconnect"}
        if self.ends and not self.told:
            self.told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def on(self, application: Front) -> Call:
        await application(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    def header(self, name: str) -> str | None:
        found = [value.decode() for key, value in self.sent[0]["headers"] if key == name.encode()]
        return found[0] if found else None


async def others_go_on() -> None:
    """Tasks that were begun go on to where they wait."""
    loop = asyncio.get_running_loop()
    for _ in range(20):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


def run(work: Awaitable[Any]) -> Any:
    """In a thread with a loop of its own: a browser test may have left one running in this thread."""

    async def main() -> Any:
        return await work

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()


def test_a_body_in_parts_arrives_whole() -> None:
    call = run(Call("/x", b"ab", b"cd").on(front()))
    assert (call.status, call.body) == (200, b"/x|abcd")


def test_a_body_without_a_length_is_read_to_its_end() -> None:
    call = Call("/x", b"ab", b"cd", transfer_encoding="chunked")
    call.scope["headers"] = [h for h in call.scope["headers"] if h[0] != b"content-length"]
    assert run(call.on(front())).body == b"/x|abcd"


def test_a_long_body_lies_in_a_file_and_arrives_whole() -> None:
    parts = [bytes([65 + n]) * 50_000 for n in range(10)]
    assert run(Call("/x", *parts).on(front(limit=10**6))).body == b"/x|" + b"".join(parts)


def test_a_body_that_breaks_off_is_told_so_to_a_client_that_still_listens() -> None:
    call = run(Call("/api/v1/intake/sales/", b'{"items":[', ends=False, breaks=True).on(front()))
    assert (call.status, json.loads(call.body)["code"]) == (400, "request.body_broken")
    assert call.header("connection") == "close"


@pytest.mark.parametrize("path", ["/api/v1/intake/sales/", "/changes/"])
def test_a_client_that_does_not_send_its_body_is_told_so_and_holds_no_thread(path: str) -> None:
    called = []
    application = front(lambda *given: called.append(given) or echo(*given))

    async def many() -> list[Call]:
        return await asyncio.gather(*(Call(path, b"{", ends=False).on(application) for _ in range(50)))

    calls = run(many())
    assert {(call.status, call.header("connection")) for call in calls} == {(408, "close")}
    assert json.loads(calls[0].body)["code"] == "request.too_slow"
    assert called == []


def test_others_are_served_while_bodies_are_awaited() -> None:
    application = front(seconds=600.0)

    async def beside() -> Call:
        slow = [asyncio.ensure_future(Call("/x", b"{", ends=False).on(application)) for _ in range(50)]
        await others_go_on()
        good = await Call("/x", b"good").on(application)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return good

    assert run(beside()).body == b"/x|good"


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_read() -> None:
    call = run(Call("/x", b"{", ends=False, content_length=str(LIMIT + 1)).on(front(seconds=600.0)))
    assert (call.status, json.loads(call.body)["code"]) == (413, "request.too_large")


def test_a_body_that_becomes_too_large_is_refused_as_well() -> None:
    call = Call("/x", b"a" * 600, b"b" * 600, transfer_encoding="chunked")
    call.scope["headers"] = [h for h in call.scope["headers"] if h[0] != b"content-length"]
    assert run(call.on(front())).status == 413


def test_health_is_answered_while_every_thread_hangs() -> None:
    let_go = threading.Event()

    def hangs(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        let_go.wait(20)
        return echo(environ, start)

    application = front(hangs)

    async def asked() -> tuple[Call, Call]:
        paths = ["/api/v1/intake/sales/", "/api/v1/gate/verdicts", "/changes/"] * 3
        stuck = [asyncio.ensure_future(Call(path, b"x").on(application)) for path in paths]
        await others_go_on()
        live = await Call("/health/live", method="GET").on(application)
        ready = await Call("/health/ready", method="GET").on(application)
        let_go.set()
        await asyncio.gather(*stuck)
        return live, ready

    live, ready = run(asked())
    assert (live.status, ready.status) == (200, 200)


def test_readiness_is_no_in_time_where_the_look_hangs() -> None:
    let_go = threading.Event()
    application = front(look=lambda: (let_go.wait(20) and OK) or OK)
    call = run(Call("/health/ready", method="GET").on(application))
    let_go.set()
    assert call.status == 503
    assert "no answer within" in json.loads(call.body)["database"]


@pytest.mark.parametrize("part", ["database", "migrations", "intake"])
def test_readiness_is_no_where_one_part_is_not_good(part: str) -> None:
    call = run(Call("/health/ready", method="GET").on(front(look=lambda: OK | {part: "wrong"})))
    assert (call.status, json.loads(call.body)[part]) == (503, "wrong")


def test_a_missing_redis_does_not_make_it_no() -> None:
    assert run(Call("/health/ready", method="GET").on(front(look=lambda: OK | {"redis": "degraded"}))).status == 200


def test_tills_have_threads_that_no_reader_of_pages_takes() -> None:
    let_go = threading.Event()

    def pages_hang(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/api/v1/intake/"):
            let_go.wait(20)
        return echo(environ, start)

    application = front(pages_hang)

    async def asked() -> Call:
        pages = [asyncio.ensure_future(Call("/changes/", cookie=f"s={n}").on(application)) for n in range(6)]
        await others_go_on()
        sale = await Call("/api/v1/intake/sales/", b"sale").on(application)
        let_go.set()
        await asyncio.gather(*pages)
        return sale

    assert run(asked()).body.endswith(b"|sale")


def test_one_client_leaves_places_for_the_others() -> None:
    order, let_go = [], threading.Event()

    async def divided() -> None:
        room = ThreadPlaces("test", count=2, each=1)
        greedy = [asyncio.ensure_future(room.run("greedy", lambda: let_go.wait(20))) for _ in range(5)]
        await others_go_on()
        order.append(await room.run("other", lambda: "served"))
        let_go.set()
        await asyncio.gather(*greedy)
        assert (room.busy, dict(room.held), len(room.line)) == (0, {}, 0)

    run(divided())
    assert order == ["served"]


def test_who_stands_in_line_too_long_is_told_to_come_back() -> None:
    let_go = threading.Event()

    async def waits() -> None:
        room = ThreadPlaces("test", count=1, each=1, in_line=1)
        first = asyncio.ensure_future(room.run("a", lambda: let_go.wait(20)))
        await others_go_on()
        with pytest.raises(Unavailable) as too_long:
            await room.run("b", lambda: None, wait=0.01)
        assert too_long.value.data["retry_after"] == 2
        second = asyncio.ensure_future(room.run("c", lambda: "then"))
        await others_go_on()
        with pytest.raises(Unavailable):  # the line is full
            await room.run("d", lambda: None)
        let_go.set()
        await first
        assert await second == "then"

    run(waits())


def test_work_that_takes_too_long_is_answered_and_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ANSWER_SECONDS", 0.01)
    let_go = threading.Event()

    async def late() -> None:
        room = ThreadPlaces("test", count=1, each=1)
        with pytest.raises(Unavailable):
            await room.run("a", lambda: let_go.wait(20))
        assert room.busy == 1
        let_go.set()
        while room.busy:
            await others_go_on()

    run(late())


def test_a_long_answer_is_complete_before_it_is_sent_and_frees_its_thread() -> None:
    closed = []

    class Long:
        def __iter__(self) -> Any:
            return iter([b"a" * 700_000, b"b" * 700_000])

        def close(self) -> None:
            closed.append(True)

    def long(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [])
        return Long()

    call = run(Call("/x").on(front(long)))
    assert len(call.body) == 1_400_000
    assert closed == [True]


def test_headers_and_path_come_as_wsgi_wants_them() -> None:
    call = Call("/caf%C3%A9/x", cookie="a=1")
    call.scope["headers"] += [(b"cookie", b"b=2"), (b"x-one", b"1"), (b"x-one", b"2"), (b"x_token", b"forged")]
    environ = wsgi.environ_of(call.scope, io.BytesIO(), 0)
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/café/x"
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_ONE"]) == ("a=1; b=2", "1,2")
    assert "HTTP_X_TOKEN" not in environ
    assert (environ["QUERY_STRING"], environ["REMOTE_ADDR"]) == ("a=1", "10.0.0.9")


def test_an_application_that_fails_is_500_and_the_process_lives() -> None:
    def fails(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("defect")

    call = run(Call("/x").on(front(fails)))
    assert (call.status, json.loads(call.body)["code"]) == (500, "page.server_error")


def test_threads_are_divided_by_the_environment() -> None:
    assert threads_of("intake=32, other=4") == {"intake": 32, "gate": 6, "other": 4, "sign_in": 2}
    with pytest.raises(ImproperlyConfigured, match="WEB_THREADS"):
        threads_of("till=3")


def test_every_line_of_a_request_has_its_id_also_those_that_the_handler_writes_itself() -> None:
    seen: list[str] = []

    def handler(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(request_id())
        start("503 Service Unavailable", [])
        return [b""]

    call = Call("/x", x_request_id="till-7")
    run(front(handler)(call.scope, call.receive, call.send))
    assert (seen, request_id()) == (["till-7"], "")


def test_a_look_from_before_a_caller_was_told_503_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    readiness = Readiness(look=lambda: looks.append(1) or OK)  # type: ignore[func-returns-value]
    run(readiness.answer())
    run(readiness.answer())
    assert len(looks) == 1
    monkeypatch.setattr(pool.health, "failed_at", time.monotonic())
    run(readiness.answer())
    assert len(looks) == 2


def test_one_token_with_large_batches_leaves_threads_and_the_processor_to_others() -> None:
    """Twenty-four batches of one till took every thread: another till's sale stood behind them for seven seconds."""
    let_go, order = threading.Event(), []

    async def divided() -> None:
        room = ThreadPlaces("test", count=4, each=4, spare=1, most_bytes=100)
        batches = [asyncio.ensure_future(room.run("greedy", lambda: let_go.wait(20), size=60)) for _ in range(5)]
        small = [asyncio.ensure_future(room.run("many", lambda: let_go.wait(20), size=1)) for _ in range(5)]
        await others_go_on()
        assert dict(room.held) == {"greedy": 1, "many": 3}
        order.append(await room.run("other", lambda: "served", size=60))
        let_go.set()
        await asyncio.gather(*batches, *small)
        assert (room.busy, dict(room.held), dict(room.at_work), len(room.line)) == (0, {}, {}, 0)

    run(divided())
    assert order == ["served"]


def test_of_those_in_line_who_has_least_at_work_goes_first() -> None:
    first, rest, order = threading.Event(), threading.Event(), []

    async def waits() -> None:
        room = ThreadPlaces("test", count=2, each=2)
        held = [asyncio.ensure_future(room.run("a", lambda event=event: event.wait(20))) for event in (first, rest)]
        await others_go_on()
        later = [asyncio.ensure_future(room.run(name, lambda name=name: order.append(name))) for name in "aab"]
        await others_go_on()
        first.set()
        await held[0]
        rest.set()
        await asyncio.gather(*held, *later)

    run(waits())
    assert order[0] == "b"


def test_signing_in_takes_no_thread_of_pages() -> None:
    application = front(threads={"intake": 1, "gate": 1, "other": 1, "sign_in": 1})
    let_go = threading.Event()

    def hangs(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            let_go.wait(20)
        return echo(environ, start)

    application.django = hangs

    async def asked() -> int:
        posted = [asyncio.ensure_future(Call("/sign-in/", b"x").on(application)) for _ in range(3)]
        await others_go_on()
        page = await Call("/sign-in/", method="GET").on(application)
        let_go.set()
        await asyncio.gather(*posted)
        return page.status

    assert run(asked()) == 200


@pytest.mark.parametrize("second", [b"3", b"4"])
def test_a_request_with_two_lengths_is_refused(second: bytes) -> None:
    """Equal ones as well; granian makes one line of equal ones and refuses others before they come here."""
    call = Call("/x", b"abc")
    call.scope["headers"].append((b"content-length", second))
    run(call.on(front()))
    assert (call.status, json.loads(call.body)["code"]) == (400, "request.several_lengths")
    assert (b"connection", b"close") in call.sent[0]["headers"]


@pytest.mark.parametrize(("name", "value"), [("host", b"x.example"), ("transfer-encoding", b"chunked")])
def test_a_request_that_says_twice_where_it_goes_or_how_it_ends_is_refused(name: str, value: bytes) -> None:
    """https://www.rfc-editor.org/rfc/rfc9112#section-3.2: several Host lines are 400."""
    call = Call("/x", b"abc")
    call.scope["headers"] += [(name.encode(), value)] * 2
    run(call.on(front()))
    codes = {"host": "request.several_hosts", "transfer-encoding": "request.several_encodings"}
    assert (call.status, json.loads(call.body)["code"]) == (400, codes[name])
    assert call.header("connection") == "close"


@pytest.mark.parametrize("path", ["/x", "/health/live", "/health/ready"])
def test_an_answer_names_the_product_and_no_component(path: str) -> None:
    call = run(Call(path, b"").on(front()))
    assert [value for name, value in call.sent[0]["headers"] if name == b"server"] == [b"tillgate"]
