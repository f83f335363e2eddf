"""Lines of the log: one a request, with its ids, as JSON; and nothing that must not leave, in log, trace or metric."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kernel import log_lines
from kernel.log_lines import JsonLines, TextLines, about
from portal import home, trace_batches
from portal.trace_batches import QueuedSpan
from runtime.ledger.mappers import Mapper
from tests.portal.test_metrics import token_of
from tests.runtime.api.conftest import till  # noqa: F401 - a fixture
from tests.runtime.api.test_traces import VendorClients
from tests.runtime.connectors.server import Server

CARD, PASSWORD, MAIL = "4111 1111 1111 1111", "correct-horse-battery", "ann.smith@example.com"
BEARER = "Zm9vOmJhcmJhcg"
PLANTED = (CARD, CARD.replace(" ", ""), PASSWORD, MAIL, BEARER)
EVERYTHING = f"card {CARD}, password={PASSWORD}, Authorization: Bearer {BEARER}, {MAIL}"


class Lines:
    """What handlers of both formats write, of every level."""

    def __init__(self) -> None:
        self.json, self.text = io.StringIO(), io.StringIO()

    def named(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.json.getvalue().splitlines()) if line["logger"] == logger]


@pytest.fixture
def lines() -> Iterator[Lines]:
    made, root = Lines(), logging.getLogger()
    access = logging.getLogger("tillgate.access")
    handlers = [logging.StreamHandler(made.json), logging.StreamHandler(made.text)]
    for handler, formatter in zip(handlers, (JsonLines(), TextLines()), strict=True):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    levels = root.level, access.level
    root.setLevel(logging.DEBUG)
    access.setLevel(logging.DEBUG)
    yield made
    root.setLevel(levels[0])
    access.setLevel(levels[1])
    for handler in handlers:
        root.removeHandler(handler)


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_ids(client: Any, lines: Lines) -> None:
    client.get("/api/v1/runs?token=abc", headers={"X-Request-Id": "till-7-42"})
    (line,) = lines.named("tillgate.access")
    assert line["request_id"] == "till-7-42"
    assert (line["method"], line["route"], line["status"], line["level"]) == ("GET", "api/v1/runs", 401, "info")
    assert line["message"] == "GET /api/v1/runs 401"
    assert line["duration_ms"] > 0


@pytest.mark.django_db
def test_what_asks_every_few_seconds_is_for_debugging_only(client: Any, lines: Lines) -> None:
    client.get("/metrics")
    client.get("/nowhere")
    levels = [(line["route"], line["level"]) for line in lines.named("tillgate.access")]
    assert levels == [("metrics", "debug"), ("unmatched", "info")]


def test_lines_say_which_run_and_message_they_are_about(lines: Lines) -> None:
    with about(run_id=7, integration="sales"), about(correlation_id="till-1"):
        logging.getLogger("runtime.worker.loop").warning("the source is slow")
    logging.getLogger("runtime.worker.loop").warning("idle")
    first, second = lines.named("runtime.worker.loop")
    assert (first["run_id"], first["integration"], first["correlation_id"]) == (7, "sales", "till-1")
    assert "run_id" not in second


def test_no_message_makes_a_second_record() -> None:
    record = logging.LogRecord(
        "x", logging.WARNING, "", 0, "a\n2026-01-01 00:00:00,000 CRITICAL x all is lost", (), None
    )
    assert len(JsonLines().format(record).splitlines()) == 1
    assert TextLines().format(record).splitlines()[1].startswith("  ")


def test_no_message_ends_a_line_or_speaks_to_a_terminal() -> None:
    """By any character that some reader takes for the end of a line, moves the cursor or turns the text around."""
    signs = [chr(code) for code in (*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066) if chr(code) != "\t"]
    try:
        raise ValueError("".join(f"b{sign}2026 CRITICAL y" for sign in signs))
    except ValueError:
        told = sys.exc_info()
    message = "".join(f"a{sign}2026-01-01 CRITICAL x" for sign in signs)
    record = logging.LogRecord("x", logging.WARNING, "", 0, message, (), told)
    shown = TextLines().format(record)
    assert not [sign for sign in signs if sign in shown and sign != "\n"]
    assert all(line.startswith("  ") for line in shown.splitlines()[1:])
    assert "\\x1b2026" in shown
    assert "\\u20282026" in shown
    as_json = JsonLines().format(record)
    assert len(as_json.splitlines()) == 1
    assert json.loads(as_json)["message"] == message


def test_what_nobody_caught_is_a_line_too(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", None)
    log_lines.catch_the_rest()
    try:
        raise ValueError(EVERYTHING)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    (line,) = lines.named("kernel.log_lines")
    assert (line["level"], line["exception"]) == ("critical", "ValueError")
    assert "test_logs.py" in line["traceback"]
    assert not [value for value in PLANTED if value in line["traceback"]]


@pytest.mark.django_db(transaction=True)
def test_what_must_not_leave_is_in_no_log_no_trace_and_no_metric(
    till: Any, client: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in payloads, keys, ids, addresses, answers of a vendor and exceptions, and sent through the product."""
    exporter = InMemorySpanExporter()
    trace_batches.start("test", exporter)
    items = [
        {"id": "good", "note": EVERYTHING, "card": CARD, "mail": MAIL},
        {"id": f"refused {EVERYTHING}", "note": EVERYTHING},
        {"id": "breaks", "note": EVERYTHING},
        {"note": EVERYTHING},
    ]
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    body = {"items": items, "correlation_ids": [CARD, MAIL, PASSWORD, None]}
    till(body, traceparent=trace, **{"X-Request-Id": CARD.replace(" ", "")})
    till(body, traceparent=trace)
    till(f'{{"items": [{EVERYTHING}', traceparent=trace)
    client.get(f"/api/v1/runs/{CARD}?password={PASSWORD}&mail={MAIL}", headers={"Authorization": f"Bearer {BEARER}"})
    client.get(f"/nothing/{MAIL}/{CARD}")

    def broken(request: Any) -> Any:
        raise RuntimeError(EVERYTHING)

    def answer(seen: Any) -> tuple[int, dict[str, str], Any]:
        if b"refused" in seen.body:
            return 422, {}, {"error": {"code": "bad", "message": EVERYTHING}}
        return 500, {"X-Said": MAIL}, {"error": EVERYTHING}

    def map_it(message: Any) -> Any:
        if message.key == "breaks":
            raise RuntimeError(EVERYTHING)
        return message.document

    with Server(answer) as vendor:
        clients = VendorClients(vendor.url)
        clients.mapped = type(clients.mapped)(Mapper(map_it), clients.mapped.vendor)
        clients.serve(6)
    monkeypatch.setattr(home, "home", broken)
    logging.getLogger("runtime.worker.loop").error("the database said: Key (mail)=(%s) exists; %s", MAIL, EVERYTHING)
    metrics = client.get("/metrics", headers=token_of(_root()))
    trace_batches.stop()
    spans = "\n".join(str(cast("QueuedSpan", one).span) for one in exporter.get_finished_spans())
    assert "vendor.send" in spans
    assert "subscription" in lines.text.getvalue(), "an exception of a mapping was logged with its traceback"
    assert "Traceback" in lines.text.getvalue()
    assert metrics.status_code == 200
    for where, text in (
        ("log, text", lines.text.getvalue()),
        ("log, JSON", lines.json.getvalue()),
        ("traces", spans),
        ("metrics", metrics.text),
    ):
        assert not [value for value in PLANTED if value in text], where


def _root() -> Any:
    from tests.portal import make

    return make.person("root", is_superuser=True)
