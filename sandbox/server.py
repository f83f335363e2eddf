"""What every emulator shares: dispatch, faults, the control and journal endpoints, and the process that hosts several
of them.

Handlers are plain functions that run to the end without an await: checking and acting are one step, so an emulator is
never half-way. One event loop per process, loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import web

from sandbox.faults import BadControl, Decision, FaultPlan
from sandbox.journal import Journal
from sandbox.lies import Answer, lie, proxy_answer
from sandbox.state import CannotStart

HOST = "127.0.0.1"
MAX_BODY = 64 * 1024 * 1024
JSON = "application/json"


@dataclass
class Call:
    """One request, read completely, with the faults that were drawn for it."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    cookies: Any
    body: bytes
    decision: Decision
    params: tuple[str, ...] = ()

    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "malformed_json", f"the body is not JSON: {error}") from None

    @property
    def request_id(self) -> str | None:
        return self.headers.get("X-Request-ID")

    @property
    def correlation(self) -> str | None:
        """`X-Correlation-ID`, or the trace id of a W3C `traceparent`."""
        if given := self.headers.get("X-Correlation-ID"):
            return given
        parts = self.headers.get("traceparent", "").split("-")
        return parts[1] if len(parts) == 4 else None


class Refusal(Exception):
    """An error answer of the vendor; each emulator writes it in its own shape."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: list[tuple[str, str]] | None = None, **details: Any
    ):
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = headers or []


@dataclass(frozen=True)
class Operation:
    """`name` is what fault rules match by; `write` says whether an effect may follow; a `batch` handler asks for the
    prefix itself.
    """

    name: str
    write: bool
    handle: Callable[[Call], Answer | Awaitable[Answer]]
    params: tuple[str, ...] = ()
    store: str | None = None
    batch: bool = False


@dataclass
class Job:
    """Work that was answered with 202: pending, then done or refused; or nothing, where that was a lie."""

    id: str
    body: bytes
    state: str = "pending"
    result: Answer | None = None


def answer(value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Answer:
    return Answer(status, orjson.dumps(value), JSON, headers or [])


def texts(body: Any, name: str, *, default: list[str] | None = None) -> list[str]:
    """The list of texts a request holds under `name`."""
    given = body.get(name, default) if isinstance(body, dict) else None
    if not isinstance(given, list) or not all(isinstance(key, str) for key in given):
        raise Refusal(400, "malformed_request", f"the body is an object in which `{name}` is a list of texts")
    return given


class Emulator:
    """One vendor. Subclasses give `name`, `resolve`, `refusal`, and `restore` for coming back from the journal."""

    name = "emulator"
    settings: dict[str, Any]

    def __init__(self, state: Path, *, seed: int = 1) -> None:
        self.journal = Journal(state / f"{self.name}.journal.jsonl", self.name)
        self.plan = FaultPlan(seed)
        self.settings = {}
        self.sign_in: dict[str, str | None] = {}  # what is accepted now
        self._first_sign_in: dict[str, str | None] = {}
        self.calls: dict[str, int] = {}
        self.port = 0
        self.jobs: dict[str, Job] = {}
        self._later: set[asyncio.Task[Answer]] = set()
        self._released = asyncio.Event()

    # what subclasses give

    def resolve(self, method: str, path: str) -> Operation | None:
        raise NotImplementedError

    def refusal(self, refused: Refusal) -> Answer:
        return answer({"code": refused.code, "message": refused.message, **refused.details}, refused.status)

    def restore(self) -> None:
        """Rebuild the state from the journal."""

    def control(self, order: str, value: Any) -> Any:
        raise BadControl(f"unknown order {order!r}")

    async def started(self) -> None:
        """Called when the port is open."""

    async def stopped(self) -> None:
        self.journal.close()

    # one request

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        method, path = request.method, request.path
        if path.startswith("/_"):
            return _response(await self._inside(method, path, request))
        if path.startswith("/jobs/") and method == "GET":
            return _response(self._job(path.removeprefix("/jobs/"), request.headers))
        operation = self.resolve(method, path)
        if operation is None:
            return _response(self.refusal(Refusal(404, "not_found", f"no resource for {method} {unquote(path)}")))
        self.calls[operation.name] = self.calls.get(operation.name, 0) + 1
        held = await request.read() if self.plan.reads_bodies else b""
        decision = self.plan.decide(operation.name, write=operation.write, store=operation.store, body=held)
        if decision.rule is None and not decision.latency:
            return _response(await self._act(operation, request, decision), decision)
        if decision.cut == "before" or (decision.cut == "prefix" and not operation.batch and decision.prefix(1) == 0):
            return _cut(request)
        await request.read()  # what comes late still acts, even if the caller has gone meanwhile
        if decision.latency:
            await asyncio.sleep(decision.latency)
        if decision.hang == "before":
            await self._released.wait()
        if decision.job is not None:
            return _response(await self._accept_job(operation, request, decision))
        if not decision.acts and decision.status is not None:
            return _response(self.fault_answer(decision))
        if not decision.acts and decision.lie is not None:
            if decision.lie == "empty":
                self._add_job(await request.read(), "nothing")
            return _response(lie(decision.lie, None))
        result = await self._act_later(operation, request, decision, decision.slow)
        if decision.status is not None:
            return _response(proxy_answer(decision.status))
        if decision.lie is not None:
            return _response(lie(decision.lie, result))
        if decision.hang == "after":
            await self._released.wait()
        if decision.cut is not None:
            return _cut(request)
        return _response(result, decision)

    async def _act(self, operation: Operation, request: web.BaseRequest, decision: Decision) -> Answer:
        try:
            body = await request.read() if request.body_exists else b""
            query = dict(parse_qsl(request.query_string, keep_blank_values=True)) if request.query_string else {}
            call = Call(
                request.method, request.path, query, request.headers, request.cookies, body, decision, operation.params
            )
            result = operation.handle(call)
            return await result if inspect.isawaitable(result) else result
        except Refusal as refused:
            made = self.refusal(refused)
            made.headers.extend(refused.headers)
            return made

    async def _act_later(
        self, operation: Operation, request: web.BaseRequest, decision: Decision, seconds: float
    ) -> Answer:
        """Act after so many seconds, also when the caller has gone by then."""

        async def act() -> Answer:
            if seconds:
                await asyncio.sleep(seconds)
            return await self._act(operation, request, decision)

        task = asyncio.ensure_future(act())
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return await asyncio.shield(task)

    async def _accept_job(self, operation: Operation, request: web.BaseRequest, decision: Decision) -> Answer:
        """Say 202 now and act later. Who may not call at all hears that at once."""
        if denied := self.denied(request.headers):
            return self.refusal(denied)
        job = self._add_job(await request.read(), "pending")

        async def end() -> Answer:
            await asyncio.sleep(decision.job or 0.0)
            made = None if decision.refuse else await self._act(operation, request, decision)
            refused = made is None or made.status >= 400
            job.state, job.result = "refused" if refused else "done", made
            return made or Answer()

        task = asyncio.ensure_future(end())
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return answer({"job": job.id, "status": "pending"}, 202, [("Location", f"/jobs/{job.id}")])

    def _add_job(self, body: bytes, state: str) -> Job:
        job = Job(f"J{len(self.jobs) + 1:09d}", body, state)
        self.jobs[job.id] = job
        return job

    def _job(self, number: str, headers: Any) -> Answer:
        job = self.jobs.get(number)
        if job is None or (refused := self.denied(headers)):
            return self.refusal(refused if job else Refusal(404, "not_found", f"no job {number}"))
        return answer({"job": job.id, "status": job.state})

    def pending(self, keys: list[str]) -> dict[str, str]:
        """Of these keys those that a job is still working on, with the job."""
        open_jobs = [job for job in self.jobs.values() if job.state == "pending"]
        return {key: job.id for key in keys for job in open_jobs if f'"{key}"'.encode() in job.body}

    def denied(self, headers: Any) -> Refusal | None:
        """The refusal of a caller whose sign-in is not accepted."""
        return None

    def fault_answer(self, decision: Decision) -> Answer:
        status = decision.status or 503
        code, text = {
            429: ("too_many_requests", "Too many requests"),
            503: ("service_unavailable", "Service unavailable"),
        }.get(status, ("fault", "The request failed"))
        made = self.refusal(Refusal(status, code, text))
        if decision.retry_after is not None:
            made.headers.append(("Retry-After", f"{decision.retry_after:g}"))
        return made

    # control and journal

    async def _inside(self, method: str, path: str, request: web.BaseRequest) -> Answer:
        if path == "/_health":
            return answer({"emulator": self.name, "ready": True})
        if path == "/_journal" and method == "GET":
            return self._journal_page(request)
        if path == "/_control" and method == "GET":
            return answer(self.describe())
        if path == "/_control" and method == "POST":
            try:
                orders = orjson.loads(await request.read())
                results = self.obey(orders)
                for key, value in results.items():
                    if inspect.isawaitable(value):
                        results[key] = await value
                return answer({"ok": True, **results})
            except (BadControl, orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
                return answer({"ok": False, "error": f"{type(error).__name__}: {error}"}, 400)
        return answer({"ok": False, "error": f"no {method} {path}"}, 404)

    def _journal_page(self, request: web.BaseRequest) -> Answer:
        try:
            since = max(0, int(request.query.get("since", 0)))
            limit = int(request.query["limit"]) if "limit" in request.query else None
        except ValueError:
            return answer({"ok": False, "error": "since and limit are whole numbers"}, 400)
        lines, last = self.journal.raw(since, limit)
        return Answer(
            200,
            lines,
            "application/x-ndjson",
            [("X-Journal-Last", str(last)), ("X-Journal-Length", str(len(self.journal)))],
        )

    def obey(self, orders: dict[str, Any]) -> dict[str, Any]:
        """Carry out control orders in the order given. Returns results of those that have one."""
        if not isinstance(orders, dict):
            raise BadControl("a control request is an object of orders")
        results: dict[str, Any] = {}
        for order, value in orders.items():
            if order == "seed":
                self.plan.reseed(int(value))
            elif order == "faults":
                for spec in value if isinstance(value, list) else [value]:
                    self.plan.add(spec)
            elif order == "clear":
                self.plan.clear(value if isinstance(value, str) else None)
            elif order == "release":
                self._released.set()
                self._released = asyncio.Event()
            elif order == "offline":
                self._go_offline(value)
            elif order == "set":
                self._change_settings(value)
            elif order == "jobs":
                results[order] = [job.body.decode() for job in self.jobs.values() if job.state == value]
            elif order == "auth":
                self._change_sign_in(value)
            elif order == "advance_seconds":
                self.journal.shift += type(self.journal.shift)(seconds=float(value))
            else:
                results[order] = self.control(order, value)
        return results

    def _go_offline(self, value: Any) -> None:
        """True, false, or the list of store numbers that are offline from now on (an empty list: none)."""
        self.plan.clear("offline")
        if value is True:
            self.plan.add({"kind": "offline"})
        elif value:
            self.plan.add({"kind": "offline", "stores": value})

    def _accept(self, **sign_in: str | None) -> None:
        """The sign-in with which the emulator starts; None: it asks for none."""
        self.sign_in, self._first_sign_in = dict(sign_in), dict(sign_in)

    def _change_sign_in(self, value: Any) -> None:
        """`restore`, or the parts that were rotated: from now on only the new ones are accepted."""
        if value == "restore":
            self.sign_in = dict(self._first_sign_in)
            return
        if not isinstance(value, dict) or not value or set(value) - set(self.sign_in):
            raise BadControl(f"auth takes `restore` or an object of {', '.join(sorted(self.sign_in))}; got {value!r}")
        self.sign_in.update({part: None if text is None else str(text) for part, text in value.items()})

    def _change_settings(self, values: dict[str, Any]) -> None:
        if unknown := set(values) - set(self.settings):
            raise BadControl(f"unknown setting {', '.join(sorted(unknown))}; known: {', '.join(sorted(self.settings))}")
        self.settings.update(values)

    def describe(self) -> dict[str, Any]:
        return {
            "emulator": self.name,
            "seed": self.plan.seed,
            "faults": [rule.describe() for rule in self.plan.rules],
            "settings": self.settings,
            "auth": "as started" if self.sign_in == self._first_sign_in else "rotated",
            "calls": self.calls,
            "journal": len(self.journal),
        }


def _response(made: Answer, decision: Decision | None = None) -> web.Response:
    response = web.Response(status=made.status, body=made.body, content_type=made.content_type)
    for key, value in made.headers:
        response.headers.add(key, value)
    if decision is not None and decision.warning and made.status < 300:
        response.headers["sap-message"] = orjson.dumps(
            {"code": "SANDBOX/001", "message": decision.warning, "severity": "warning", "target": "", "details": []}
        ).decode()
    return response


def _cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


# --- the process ----------------------------------------------------------------------------------------------------


async def host(emulators: dict[str, tuple[Emulator, int]], *, with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT (with_parent: or until the starting process is gone). Prints one ready line."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runners: list[web.ServerRunner] = []
    try:
        for emulator, port in emulators.values():
            runners.append(await _open(emulator, port))
        for emulator, _ in emulators.values():
            await emulator.started()
        ports = {key: emulator.port for key, (emulator, _) in emulators.items()}
        sys.stdout.write(orjson.dumps({"ready": True, "pid": os.getpid(), "ports": ports}).decode() + "\n")
        sys.stdout.flush()
        parent = os.getppid()
        while not stop.is_set() and not (with_parent and os.getppid() != parent):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0 if with_parent else None)
    finally:
        for runner in runners:
            await runner.cleanup()
        for emulator, _ in emulators.values():
            await emulator.stopped()


async def _open(emulator: Emulator, port: int) -> web.ServerRunner:
    def read_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY
        )

    server = web.Server(emulator.serve, request_factory=read_request, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise CannotStart(f"port {port} for {emulator.name} cannot be opened: {error.strerror or error}") from None
    emulator.port = runner.addresses[0][1]
    emulator.restore()
    return runner
