"""A verdict that is held is used again only while the gate says that it stands, for exactly the same question."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.witness import FaultyGate, Received, denied, document, gate_headers, problem, raw, response, verdict
from tillgate.main import main

ABOUT = ["--application", "web-shop", "--version", "1", "--environment", "production", "--hold", "held"]


def check(gate: FaultyGate, *more: str) -> int:
    return main(["check", "--url", gate.url, *ABOUT, *(more or ("--consumes", "price-api@v2"))])


def serving(gate: FaultyGate, standing: Any, answered: dict[str, Any] | None = None) -> None:
    """The gate answers questions with a verdict, and says of standings what it is told."""

    def answer(received: Received) -> bytes:
        if received.line.startswith("GET"):
            made = standing(received) if callable(standing) else response(standing)
            assert isinstance(made, bytes)
            return made
        return response(answered or document(), headers=gate_headers(received))

    gate.answers = [answer]


def asked(gate: FaultyGate) -> list[str]:
    return [received.line.split(" ")[0] for received in gate.journal]


STANDS = {"id": 17, "word": "allow", "stands": True, "why": ""}


def test_a_verdict_that_stands_is_used_again_and_nothing_new_is_asked(gate: FaultyGate, capsys):
    serving(gate, STANDS)
    assert check(gate, "--consumes", "price-api@v2") == 0
    assert Path("held").stat().st_mode & 0o077 == 0
    first = capsys.readouterr().out
    assert check(gate) == 0
    assert capsys.readouterr().out == first
    assert asked(gate) == ["POST", "GET"]
    assert gate.journal[1].path == "/api/v1/gate/verdicts/17/standing"


def test_a_deny_that_stands_stays_a_deny(gate: FaultyGate):
    serving(gate, STANDS | {"word": "deny"}, denied())
    assert [check(gate), check(gate)] == [1, 1]
    assert asked(gate) == ["POST", "GET"]


@pytest.mark.parametrize(
    "said",
    [
        STANDS | {"stands": False, "why": "changed"},
        STANDS | {"stands": "true"},
        STANDS | {"stands": None},
        STANDS | {"word": "deny"},
        STANDS | {"id": 18},
        {},
        problem("404 Not Found"),
    ],
)
def test_what_does_not_say_that_it_stands_asks_again(gate: FaultyGate, said: Any):
    serving(gate, STANDS)
    assert check(gate) == 0
    serving(gate, said, denied())
    assert check(gate) == 1
    assert asked(gate) == ["POST", "GET", "POST"]


@pytest.mark.parametrize(
    "said",
    [
        problem("503 Busy"),
        raw(b""),
        raw(response(b"<html>")),
        raw(response(STANDS, status="203 Proxy")),
        raw(response(b"", status="302 X", headers={"Location": "http://127.0.0.1:1/"})),
    ],
)
def test_a_gate_that_cannot_say_it_is_4_and_the_held_verdict_is_no_answer(gate: FaultyGate, said: Any):
    serving(gate, STANDS)
    assert check(gate) == 0
    serving(gate, said)
    assert check(gate) == 4


@pytest.mark.parametrize(
    "more",
    [["--consumes", "price-api@v3"], ["--consumes-nothing"], ["--consumes", "price-api@v2", "--instance", "store-1"]],
)
def test_another_question_is_asked(gate: FaultyGate, more: list[str]):
    serving(gate, STANDS)
    check(gate)
    serving(gate, STANDS, document(instance="store-1") if "--instance" in more else None)
    assert check(gate, *more) == 0
    assert asked(gate) == ["POST", "POST"]


def test_another_gate_is_asked(gate: FaultyGate):
    serving(gate, STANDS)
    check(gate)
    with FaultyGate().running() as another:
        serving(another, STANDS, denied())
        assert check(another) == 1


@pytest.mark.parametrize("change", ["", "{}", "[]", "verdict", "old", "number", "twice"])
def test_a_file_that_holds_something_else_is_no_verdict(gate: FaultyGate, change: str):
    serving(gate, STANDS)
    check(gate)
    held = json.loads(Path("held").read_text())
    if change == "verdict":
        held["document"]["verdict"] = "deny"
    elif change == "old":
        held["document"]["as_of"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    elif change == "number":
        held["verdict_id"] = "17/../18"
    text = change if change in ("", "{}", "[]") else json.dumps(held)
    Path("held").write_text(text.replace('"schema"', '"schema": "x", "schema"') if change == "twice" else text)
    assert check(gate) == 0
    assert asked(gate) == ["POST", "POST"]


def test_what_is_held_is_about_now(gate: FaultyGate):
    assert check(gate, "--as-of", datetime.now(UTC).isoformat()) == 3
    gate.answers = [verdict()]
    assert main(["check", "--url", gate.url, *ABOUT[:-1], "/no/such/folder/held", "--consumes-nothing"]) == 0


def test_the_report_of_an_earlier_run_does_not_outlive_a_command_line_that_is_refused(gate: FaultyGate):
    serving(gate, STANDS)
    report = ["--consumes-nothing", "--format", "junit", "--output=report"]
    assert check(gate, *report) == 0
    assert check(gate, *report, "--timeout", "soon") == 3
    assert "no_verdict" in Path("report").read_text()
