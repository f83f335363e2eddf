"""The question is what the options, the question file and the lock file say together; contradictions are refused."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.witness import FaultyGate, denied, document, reason, verdict
from tillgate.main import main

ABOUT = ["--application", "web-shop", "--version", "1", "--environment", "production"]
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def check(gate: FaultyGate, *more: str) -> int:
    return main(["check", "--url", gate.url, *more])


def asked(gate: FaultyGate) -> dict:
    return gate.journal[-1].json


def test_what_is_said_is_sent_and_what_is_unsaid_is_left_out(gate: FaultyGate):
    check(gate, *ABOUT, "--token", "tg_x")
    assert gate.journal[-1].path == "/api/v1/gate/verdicts"
    assert gate.journal[-1].headers["authorization"] == "Bearer tg_x"
    assert asked(gate) == {"application": "web-shop", "version": "1", "environment": "production"}
    more = ("--consumes-nothing", "--provides", f"cart@v1={DIGEST}", "--integration", f"sales={OTHER}")
    check(gate, *ABOUT, *more)
    assert asked(gate)["consumes"] == []
    assert asked(gate)["provides"] == [{"version": "cart@v1", "contract_digest": DIGEST}]
    assert asked(gate)["integrations"] == [{"key": "sales", "digest": OTHER}]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--consumes", "price-api@v2="],
        ["--provides", "price-api@v2="],
        ["--consumes", "price-api@v2=sha256:"],
        ["--consumes", "price-api@v2=latest"],
        ["--integration", "sales="],
        ["--integration", "sales"],
        ["--consumes", "a@v1", "--consumes", "a@v1"],
        ["--consumes", "a@v1", "--consumes-nothing"],
        ["--version", ""],
        ["--environment", " "],
        ["--instance", ""],
        ["--instance", " "],
        ["--token", "tg_x\r\nX-More: 1"],
        ["--token", "tg_x", "--token-file", "x"],
        ["--token-file", "/no/such/file"],
        ["--url", "ftp://x"],
        ["--url", "http://user:pass@x"],
        ["--url", "http://x/?a=b"],
        ["--url", "http://x:port"],
        ["--url", ""],
        ["--question", "/no/such/file"],
        ["--lock", "/no/such/file"],
        ["--as-of", "yesterday"],
        ["--as-of", "2026-11-29T12:00:00"],
        ["--format", "shout"],
        ["--consume", "price-api@v2"],
        ["--wait", "-1"],
    ],
)
def test_a_command_line_that_can_mean_two_things_is_3_and_asks_nobody(gate: FaultyGate, wrong: list[str]):
    assert check(gate, *ABOUT, *wrong) == 3
    assert gate.journal == []


def test_a_missing_word_is_3_and_is_named(gate: FaultyGate, capsys: pytest.CaptureFixture[str]):
    assert check(gate, "--application", "web-shop") == 3
    assert "--version, --environment" in capsys.readouterr().err


def test_a_question_file_is_enough_and_options_may_add_to_it(gate: FaultyGate):
    file = Path("q.json")
    file.write_text(json.dumps({"application": "web-shop", "environment": "production", "consumes": ["a@v1"]}))
    assert check(gate, "--question", "q.json", "--version", "1") == 0
    assert asked(gate)["consumes"] == ["a@v1"]
    assert asked(gate)["version"] == "1"
    assert check(gate, "--question", "q.json", "--version", "1", "--consumes", "a@v1") == 0


@pytest.mark.parametrize(
    "more", [["--application", "kiosk"], ["--consumes", "b@v1"], ["--consumes-nothing"], ["--instance", "s1"]]
)
def test_options_that_contradict_the_question_file_are_3(gate: FaultyGate, more: list[str]):
    whole = {"application": "web-shop", "version": "1", "environment": "production", "consumes": ["a@v1"]}
    Path("q.json").write_text(json.dumps({**whole, "instance": "s2"}))
    assert check(gate, "--question", "q.json", *more) == 3
    assert gate.journal == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version":"1","version":"2"}', '{"version":NaN}', '{"consumes":7}', "[" * 100_000]
)
def test_a_question_file_with_two_readings_or_none_is_3(gate: FaultyGate, text: str):
    Path("q.json").write_text(text)
    assert check(gate, *ABOUT, "--question", "q.json") == 3
    assert gate.journal == []


def test_the_token_may_stand_in_a_file(gate: FaultyGate):
    Path("token").write_text("tg_from_file\n")
    check(gate, *ABOUT, "--token-file", "token")
    assert gate.journal[-1].headers["authorization"] == "Bearer tg_from_file"


# -- the clock -----------------------------------------------------------------------------------------------------
def test_an_as_of_far_from_now_needs_what_if(gate: FaultyGate):
    far = (datetime.now(UTC) - timedelta(days=200)).isoformat()
    gate.answers = [verdict(document(as_of=far))]
    assert check(gate, *ABOUT, "--as-of", far) == 3
    assert gate.journal == []
    assert check(gate, *ABOUT, "--as-of", far, "--what-if") == 0
    Path("q.json").write_text(json.dumps({"as_of": far}))
    assert check(gate, *ABOUT, "--question", "q.json") == 3


@pytest.mark.parametrize("minutes", [-4, -0.2, 0.2, 4])
def test_an_as_of_near_now_is_a_what_if_as_well(gate: FaultyGate, minutes: float):
    """Also where the gate, of before, does not call it one."""
    near = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    gate.answers = [verdict(document(as_of=near))]
    assert check(gate, *ABOUT, "--as-of", near) == 3
    assert check(gate, *ABOUT, "--as-of", near, "--hold", "held", "--what-if") == 3
    assert gate.journal == []
    assert check(gate, *ABOUT, "--as-of", near, "--what-if") == 0


def test_an_as_of_of_this_very_moment_is_now_by_the_clock_of_the_gate(gate: FaultyGate):
    assert check(gate, *ABOUT, "--as-of", datetime.now(UTC).isoformat()) == 0
    assert "as_of" not in asked(gate)
    gate.answers = [verdict(document(hypothetical=True))]
    assert check(gate, *ABOUT, "--as-of", datetime.now(UTC).isoformat()) == 2


# -- malformed -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", ["", {}, False, 0, "x", {"a": 1}])
def test_what_is_no_list_in_a_question_file_is_3_however_empty_it_is(gate: FaultyGate, wrong: object):
    for key in ("consumes", "provides", "integrations"):
        Path("q.json").write_text(json.dumps({key: wrong}))
        assert check(gate, *ABOUT, "--question", "q.json") == 3
        assert check(gate, *ABOUT, "--question", "q.json", "--provides", "a@v1") == 3
    assert gate.journal == []


@pytest.mark.parametrize("key", ["provides", "integrations"])
def test_null_in_a_question_file_is_3_where_it_says_nothing(gate: FaultyGate, key: str):
    Path("q.json").write_text(json.dumps({key: None}))
    assert check(gate, *ABOUT, "--question", "q.json") == 3
    Path("q.json").write_text(json.dumps({"consumes": None}))
    assert check(gate, *ABOUT, "--question", "q.json") == 0


@pytest.mark.parametrize("as_of", ["", False, 0, [], {}])
def test_a_time_that_is_none_is_3(gate: FaultyGate, as_of: object):
    Path("q.json").write_text(json.dumps({"as_of": as_of}))
    assert check(gate, *ABOUT, "--question", "q.json") == 3
    assert check(gate, *ABOUT, "--as-of", "") == 3
    assert gate.journal == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"consumes": [{"version": "a@v1", "contract_digest": ""}]},
        {"consumes": [{"version": "a@v1", "contract_digest": False}]},
        {"consumes": [{"version": "a@v1", "contract_diget": DIGEST}]},
        {"consumes": [7]},
        {"integrations": ["sales", {"key": "sales", "digest": DIGEST}]},
        {"integrations": [{"key": "sales"}]},
    ],
)
def test_the_lock_file_does_not_cover_up_what_is_malformed_in_the_question(gate: FaultyGate, wrong: dict):
    Path("a.yaml").write_text("a")
    entry = {
        "version": "a@v1",
        "contract_digest": DIGEST,
        "file": "a.yaml",
        "files": {"a.yaml": hashlib.sha256(b"a").hexdigest()},
    }
    lock = {
        "schema": "tillgate.lock/1",
        "consumes": [entry],
        "provides": [],
        "integrations": [{"key": "sales", "digest": DIGEST}],
    }
    Path("tillgate.lock.yaml").write_text(json.dumps(lock))
    assert check(gate, *ABOUT) == 0
    del gate.journal[:]
    Path("q.json").write_text(json.dumps(wrong))
    assert check(gate, *ABOUT, "--question", "q.json", "--lock", "tillgate.lock.yaml") == 3
    for key in ("consumes", "provides", "integrations"):
        for value in ("", {}, False, 0):
            Path("tillgate.lock.yaml").write_text(json.dumps(lock | {key: value}))
            assert check(gate, *ABOUT) == 3
    assert gate.journal == []


@pytest.mark.parametrize("option", ["--application", "--version", "--environment", "--instance", "--question"])
def test_what_the_command_line_says_twice_is_3(gate: FaultyGate, option: str):
    assert check(gate, *ABOUT, option, "a", option, "b") == 3
    assert gate.journal == []


def test_a_hypothetical_answer_is_no_yes_unless_asked_for_and_its_no_stays_a_no(
    gate: FaultyGate, capsys: pytest.CaptureFixture[str]
):
    gate.answers = [verdict(document(hypothetical=True))]
    assert check(gate, *ABOUT) == 2
    assert "what-if" in capsys.readouterr().out
    assert check(gate, *ABOUT, "--what-if") == 0
    only_reports = {"verdict": "unknown", "enforcing": False, "reasons": [reason(word="unknown", report_only=True)]}
    gate.answers = [verdict(document(hypothetical=True, **only_reports))]
    assert check(gate, *ABOUT) == 2
    gate.answers = [verdict(denied() | {"hypothetical": True})]
    assert check(gate, *ABOUT) == 1


def test_unknown_lets_pass_while_the_gate_only_reports_unless_strict(gate: FaultyGate):
    only_reports = {"verdict": "unknown", "enforcing": False, "reasons": [reason(word="unknown", report_only=True)]}
    gate.answers = [verdict(document(**only_reports))]
    assert check(gate, *ABOUT) == 0
    assert check(gate, *ABOUT, "--strict") == 2
