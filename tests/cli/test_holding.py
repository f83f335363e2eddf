"""A verdict that is held is used again only while the gate says that it stands, for exactly the same question."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from governance.domain import question as questions
from kernel.digest import digest_of
from tests.cli.witness import (
    ASKED,
    FaultyGate,
    Received,
    denied,
    document,
    gate_headers,
    problem,
    raw,
    response,
    verdict,
)
from tillgate.main import main

ABOUT = ["--application", "web-shop", "--version", "1", "--environment", "production", "--hold", "held"]


def check(gate: FaultyGate, *more: str) -> int:
    return main(["check", "--url", gate.url, *ABOUT, *(more or ("--consumes", "price-api@v2"))])


def serving(gate: FaultyGate, standing: Any, answered: dict[str, Any] | None = None) -> None:
    """The gate answers questions with a verdict, and says of standings what it is told."""

    def answer(received: Received) -> bytes:
        if received.line.startswith("GET"):
            made = standing(received) if callable(standing) else said_of(gate, received, **standing)
            assert isinstance(made, bytes)
            return made
        gate.answered = json.dumps(answered or document()).encode()
        return response(gate.answered, headers=gate_headers(received))

    gate.answers = [answer]


def asked(gate: FaultyGate) -> list[str]:
    return [received.line.split(" ")[0] for received in gate.journal]


STANDS = {"id": 17, "word": "allow", "stands": True, "why": ""}


def said_of(gate: FaultyGate, received: Received, **changed: Any) -> bytes:
    """What a gate says that knows what it was asked last and what it answered."""
    asked_last = [one for one in gate.journal if one.line.startswith("POST")][-1].json
    now = datetime.now(UTC)
    nonce = received.path.partition("?nonce=")[2]
    whole = STANDS | {
        **ASKED,
        "instance": asked_last.get("instance", ""),
        "question_digest": digest_of(questions.normalise(asked_last)),
        "answer_digest": "sha256:" + hashlib.sha256(gate.answered).hexdigest(),
        "nonce": nonce,
        "at": now.isoformat(),
        "until": (now + timedelta(minutes=14)).isoformat(),
    }
    return response({key: value for key, value in (whole | changed).items() if value is not GONE})


GONE = object()


def test_a_verdict_that_stands_is_used_again_and_nothing_new_is_asked(gate: FaultyGate, capsys):
    serving(gate, STANDS)
    assert check(gate, "--consumes", "price-api@v2") == 0
    assert Path("held").stat().st_mode & 0o077 == 0
    first = capsys.readouterr().out
    assert check(gate) == 0
    assert capsys.readouterr().out == first
    assert asked(gate) == ["POST", "GET"]
    assert gate.journal[1].path.partition("?")[0] == "/api/v1/gate/verdicts/17/standing"


def test_a_deny_that_stands_stays_a_deny(gate: FaultyGate):
    serving(gate, STANDS | {"word": "deny"}, denied())
    assert [check(gate), check(gate)] == [1, 1]
    assert asked(gate) == ["POST", "GET"]


@pytest.mark.parametrize(
    "said",
    [
        {"stands": False, "why": "changed"},
        {"stands": "true"},
        {"stands": 1},
        {"stands": None},
        {"word": "deny"},
        {"id": 18},
        {"why": "changed"},
        {"why": GONE},
        {"application": "kiosk"},
        {"version": "2"},
        {"environment": "test"},
        {"instance": "s1"},
        {"question_digest": "sha256:" + "0" * 64},
        {"question_digest": GONE},
        {"answer_digest": "sha256:" + "0" * 64},
        {"answer_digest": GONE},
        {"nonce": "of-another-call"},
        {"nonce": GONE},
        {"until": "2020-01-01T00:15:00Z"},
        {"until": GONE},
        {"at": "2090-01-01T00:00:00Z"},
        {"at": GONE},
        raw(response(STANDS)),
        raw(response({})),
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
        held["answer"] = held["answer"].replace('"allow"', '"deny"')
    elif change == "old":
        old = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        held["answer"] = json.dumps(json.loads(held["answer"]) | {"as_of": old})
    elif change == "number":
        held["verdict_id"] = "17/../18"
    text = change if change in ("", "{}", "[]") else json.dumps(held)
    Path("held").write_text(text.replace('"schema"', '"schema": "x", "schema"') if change == "twice" else text)
    assert check(gate) == 0
    assert asked(gate) == ["POST", "POST"]


WHOLE = [
    *("--provides", "tax@v2", "--provides", f"cart@v1=sha256:{'a' * 64}", "--consumes", "price-api@v2"),
    *("--consumes", f"a-api@v1=sha256:{'b' * 64}", "--integration", f"sälës=sha256:{'c' * 64}", "--instance", " s1 "),
]


@pytest.mark.parametrize("more", [WHOLE, ["--consumes-nothing"], ["--provides", "b@v1"]])
def test_the_digest_of_a_question_is_that_of_the_gate(gate: FaultyGate, more: list[str]):
    serving(gate, STANDS, document(instance="s1") if more is WHOLE else None)
    assert [check(gate, *more), check(gate, *more)] == [0, 0]
    assert asked(gate) == ["POST", "GET"]


def test_the_number_of_another_verdict_under_a_document_of_ones_own_opens_nothing(gate: FaultyGate):
    """The file names a verdict that stands, on another question, and says what it likes."""
    serving(gate, {"stands": True}, denied())
    assert check(gate) == 1
    denial = gate.answered
    held = json.loads(Path("held").read_text())
    for forged in (document(), json.loads(denial) | {"verdict": "allow", "reasons": []}):
        made = {"document": forged, "answer": json.dumps(forged)}
        for schema in ("tillgate.held/1", "tillgate.held/2"):
            Path("held").write_text(json.dumps(held | made | {"schema": schema}))
            serving(gate, {"word": "allow", "question_digest": "sha256:" + "1" * 64}, denied())
            assert check(gate) == 1
            Path("held").write_text(json.dumps(held | made | {"schema": schema}))
            serving(gate, {"word": "allow"}, denied())
            assert check(gate) == 1


def test_an_answer_of_before_is_none_to_this_call(gate: FaultyGate):
    """A cache or somebody between repeats, byte for byte, what the gate once said."""
    serving(gate, STANDS)
    assert [check(gate), check(gate)] == [0, 0]
    once = said_of(gate, gate.journal[-1])
    serving(gate, raw(once), denied())
    assert check(gate) == 1


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


@pytest.mark.parametrize("kind", ["endless", "pipe", "folder"])
def test_a_held_file_that_is_none_is_refused_before_anything_is_read(
    gate: FaultyGate, tmp_path: Path, kind: str, capsys
):
    """A device was read until the memory was full, and a pipe for ever."""
    name = {"endless": Path("/dev/zero"), "pipe": tmp_path / "pipe", "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(name)
    about = ["--application", "web-shop", "--version", "1", "--environment", "production", "--consumes-nothing"]
    assert main(["check", "--url", gate.url, *about, "--hold", str(name)]) == 3
    assert "no plain file" in capsys.readouterr().err
    assert gate.journal == []


def test_a_held_file_that_is_too_large_is_no_verdict(gate: FaultyGate):
    serving(gate, {})
    with open("held", "wb") as made:
        made.truncate(2**40)
    assert check(gate) == 0
    assert asked(gate) == ["POST"]


@pytest.mark.parametrize("option", ["--question", "--lock", "--token-file"])
def test_a_file_without_an_end_is_refused(gate: FaultyGate, option: str, capsys):
    about = ["--application", "web-shop", "--version", "1", "--environment", "production"]
    assert main(["check", "--url", gate.url, *about, option, "/dev/zero"]) == 3
    assert "larger than" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--instance", "--version"])
def test_a_name_is_asked_about_in_one_normal_form(gate: FaultyGate, option: str):
    serving(gate, {})
    given = {"--application": "web-shop", "--version": "1", "--environment": "production", option: "Ko\u0308ln"}
    main(["check", "--url", gate.url, "--consumes-nothing", *(part for pair in given.items() for part in pair)])
    assert gate.journal[0].json[option[2:]] == "K\u00f6ln"
