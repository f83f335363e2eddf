"""What is not a well-formed answer to exactly this question is 4, whatever it looks like, and in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from governance.domain.verdict import ENGINE
from tests.cli.witness import FaultyGate, denied, document, gate_headers, problem, raw, reason, response, verdict
from tillgate.answers import NEWEST_ENGINE
from tillgate.main import main

WORDS = "--application web-shop --version 1 --environment production --consumes price-api@v2"
BASE = ["check", *WORDS.split(" ")]


def check(gate: FaultyGate, *more: str) -> int:
    return main([*BASE, "--url", gate.url, "--timeout", "5", *more])


@pytest.mark.parametrize(
    ("answered", "code"),
    [(document(), 0), (denied(), 1), (document(verdict="unknown", reasons=[reason(word="unknown")]), 2)],
)
def test_a_well_formed_answer_to_this_question_is_its_verdict(gate: FaultyGate, answered: dict, code: int):
    gate.answers = [verdict(answered)]
    assert check(gate) == code


def waiver(*, of: dict | None = None, **left: int) -> dict:
    """One of exactly this reason, for the application that asks."""
    parts = {name: reason()[name] for name in ("subject", "pointer")} | {"rule": reason()["code"]}
    place = {name: document()[name] for name in ("application", "environment")}
    return {"id": 3, **parts, **place, "expires_at": (datetime.now(UTC) + timedelta(**left)).isoformat(), **(of or {})}


def test_a_waiver_in_force_carries_an_allow(gate: FaultyGate):
    gate.answers = [verdict(document(reasons=[reason(waived_by=3)], waivers=[waiver(days=9)]))]
    assert check(gate) == 0


OTHER_PARTS = [
    *({"application": other} for other in ("kiosk", "", None, "none")),
    {"environment": "test"},
    {"rule": "freeze.active"},
    {"subject": "price-api@v1"},
    *({"pointer": other} for other in ("/consumed/items/price-api@v1", None)),
]


@pytest.mark.parametrize("other", OTHER_PARTS)
def test_a_waiver_of_something_else_carries_no_allow(gate: FaultyGate, other: dict, capsys: pytest.CaptureFixture[str]):
    gate.answers = [verdict(document(reasons=[reason(waived_by=3)], waivers=[waiver(of=other, days=9)]))]
    assert check(gate) == 4
    assert "waiver 3 is for something else" in capsys.readouterr().err


def test_a_waiver_of_before_applications_were_named_carries_what_names_its_consumer(gate: FaultyGate):
    place = "/provided/items/price-api@v2/consumers/items/till"
    kept = waiver(of={"application": "none", "pointer": place}, days=9)
    gate.answers = [verdict(document(reasons=[reason(waived_by=3, pointer=place)], waivers=[kept]))]
    assert check(gate) == 0


@pytest.mark.parametrize(("engine", "said"), [(NEWEST_ENGINE, False), (99, True)])
def test_rules_that_are_newer_than_this_command_line_are_believed_and_told(
    gate: FaultyGate, engine: int, said: bool, capsys: pytest.CaptureFixture[str]
):
    gate.answers = [verdict(document(engine=engine))]
    assert check(gate) == 0
    assert (f"engine {engine}" in capsys.readouterr().err) is said


def test_this_command_line_knows_the_rules_of_the_gate_of_its_release():
    assert NEWEST_ENGINE == ENGINE


WRONG_DOCUMENTS = {
    "no schema": {"schema": None},
    "schema of another day": {"schema": "tillgate.verdict/9"},
    "no engine": {"engine": None},
    "engine that is a truth": {"engine": True},
    "another application": {"application": "kiosk"},
    "another version": {"version": "2"},
    "another environment": {"environment": "test"},
    "another instance": {"instance": "store-1"},
    "no instance": {"instance": None},
    "as of long ago": {"as_of": "2026-01-01T00:00:00+00:00"},
    "as of without zone": {"as_of": "2026-11-29T12:00:00"},
    "as of nothing": {"as_of": None},
    "a list of verdicts": {"verdict": ["allow"]},
    "a verdict in capitals": {"verdict": "ALLOW"},
    "an unknown verdict": {"verdict": "perhaps"},
    "no reasons": {"reasons": None},
    "reasons that are texts": {"reasons": ["x"]},
    "reason without a message": {"verdict": "deny", "reasons": [reason(message=None)]},
    "allow with a reason against": {"reasons": [reason()]},
    "allow with an open unknown": {"reasons": [reason(word="unknown")]},
    "deny without a reason": {"verdict": "deny"},
    "deny of unknowns only": {"verdict": "deny", "reasons": [reason(word="unknown")]},
    "unknown without a reason": {"verdict": "unknown"},
    "unknown beside a deny": {"verdict": "unknown", "reasons": [reason(), reason(word="unknown")]},
    "waived by no waiver": {"reasons": [reason(waived_by=3)]},
    "an unknown that is waived": {"reasons": [reason(word="unknown", waived_by=3)], "waivers": [{"id": 3}]},
    "only reports a deny": {"verdict": "deny", "reasons": [reason()], "enforcing": False},
    "only reports an enforced unknown": {"verdict": "unknown", "reasons": [reason(word="unknown")], "enforcing": False},
    "enforcing is a text": {"enforcing": "yes"},
    "no input digest": {"input_digest": ""},
    "short input digest": {"input_digest": "sha256:12"},
    "policy digest of another kind": {"policy_digest": 7},
    "allow by no policy": {"policy_digest": None},
    "only reports by no policy": {
        "verdict": "unknown",
        "reasons": [reason(word="unknown", report_only=True)],
        "enforcing": False,
        "policy_digest": None,
    },
    "waived by a waiver that is over": {"reasons": [reason(waived_by=3)], "waivers": [waiver(minutes=-1)]},
    "waived by a waiver without an end": {"reasons": [reason(waived_by=3)], "waivers": [{"id": 3}]},
    "hypothetical is a text": {"hypothetical": "no"},
    "warnings are a text": {"warnings": "none"},
}


@pytest.mark.parametrize("case", WRONG_DOCUMENTS)
def test_a_document_that_does_not_answer_this_question_is_4(gate: FaultyGate, case: str):
    gate.answers = [verdict(document(**WRONG_DOCUMENTS[case]))]
    assert check(gate) == 4


@pytest.mark.parametrize("missing", sorted(document()))
def test_a_document_with_a_missing_key_is_4(gate: FaultyGate, missing: str):
    gate.answers = [verdict({key: value for key, value in document().items() if key != missing})]
    assert check(gate) == 4


def test_an_answer_to_other_items_is_4(gate: FaultyGate):
    gate.answers = [
        lambda received: verdict()(received).replace(b"Question-Digest: sha256:", b"Question-Digest: sha256:0")
    ]
    assert check(gate) == 4
    gate.answers = [lambda received: response(document(), headers={"Verdict-Id": "17"})]
    assert check(gate) == 4


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "1\u00b2"])
def test_an_answer_without_a_number_of_a_verdict_is_4(gate: FaultyGate, number: str):
    sent = {"Verdict-Id": number}
    gate.answers = [
        lambda received: response(document(), headers=gate_headers(received) | sent).decode().encode("latin-1")
    ]
    assert check(gate) == 4


BODIES = {
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "only the word": b'{"verdict":"allow"}',
    "html": b"<html>allow</html>",
    "not UTF-8": json.dumps(document()).encode("utf-16"),
    "broken UTF-8": json.dumps(document()).encode() + b"\xff",
    "a key twice": json.dumps(document(verdict="deny")).encode()[:-1] + b',"verdict":"allow"}',
    "a key twice further in": json.dumps(denied()).encode().replace(b'"word":', b'"word":"deny","word":'),
    "not a number": json.dumps(document(engine=float("nan"))).encode(),
    "deep": b'{"a":' * 200_000,
    "two documents": json.dumps(document()).encode() * 2,
    "cut": json.dumps(document()).encode()[:-1],
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_verdict_is_4(gate: FaultyGate, case: str, capsys: pytest.CaptureFixture[str]):
    gate.answers = [verdict(BODIES[case])]
    assert check(gate) == 4
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["text/html", "application/json-seq", "text/plain", "application/problem+json", ""])
def test_an_answer_of_another_media_type_is_4(gate: FaultyGate, kind: str):
    gate.answers = [verdict(**{"Content-Type": kind})]
    assert check(gate) == 4


def test_a_packed_answer_and_a_huge_one_are_4(gate: FaultyGate):
    gate.answers = [verdict(**{"Content-Encoding": "gzip"})]
    assert check(gate) == 4
    gate.answers = [verdict(document(flip=["x" * 20_000_000]))]
    assert check(gate) == 4


WHOLE = response(document())
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAMES = {
    "nothing at all": b"",
    "no HTTP": b"allow\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n{}",
    "cut in the headers": WHOLE[:60],
    "cut in the body": WHOLE[:-40],
    "a chunk of no size": CHUNKED + b"xyz\r\n{}",
    "a chunk that is cut": CHUNKED + b"ff\r\n{}",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n{}",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n{}",
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_broken_frame_is_4(gate: FaultyGate, case: str, capsys: pytest.CaptureFixture[str]):
    gate.answers = [raw(FRAMES[case])]
    assert check(gate) == 4
    said = capsys.readouterr().err
    assert said.startswith("tillgate: ")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "status", ["201 Created", "202 Accepted", "203 Proxy", "204 No Content", "206 Partial Content"]
)
def test_only_200_is_a_verdict(gate: FaultyGate, status: str):
    gate.answers = [lambda received: response(document(), status=status, headers=gate_headers(received))]
    assert check(gate) == 4


def dripped(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize("slow_from", [0, 20, WHOLE.index(b"\r\n\r\n") + 6])
def test_one_time_limit_holds_for_the_whole_exchange(
    gate: FaultyGate, slow_from: int, capsys: pytest.CaptureFixture[str]
):
    gate.answers = [raw([WHOLE[:slow_from], *dripped(WHOLE[slow_from:])])]
    assert check(gate, "--timeout", "0.3") == 4
    assert "0.3" in capsys.readouterr().err


def test_an_endless_row_of_continues_ends_with_the_time_limit(gate: FaultyGate):
    gate.answers = [raw([b"HTTP/1.1 100 Continue\r\n\r\n"] * 500)]
    assert check(gate, "--timeout", "0.3") == 4


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_limit_that_is_none_is_refused(gate: FaultyGate, limit: str):
    assert check(gate, f"--timeout={limit}") == 3
    assert gate.journal == []


@pytest.mark.parametrize(
    "status", ["408 Request Timeout", "425 Too Early", "429 Too Many Requests", "500 X", "503 Busy"]
)
def test_not_now_is_4_and_never_a_bad_request(gate: FaultyGate, status: str):
    gate.answers = [problem(status)]
    assert check(gate) == 4


@pytest.mark.parametrize("findings", [None, "x", 7, [None], ["x"], {"a": 1}, [{"pointer": 7}]])
def test_a_refused_question_is_3_whatever_its_findings_look_like(gate: FaultyGate, findings: object):
    gate.answers = [problem("422 Unprocessable", "Not valid.", findings=findings)]
    assert check(gate) == 3


def test_a_refusal_that_no_tillgate_wrote_is_4(gate: FaultyGate):
    gate.answers = [raw(response(b"<html>404</html>", status="404 Not Found", headers={"Content-Type": "text/html"}))]
    assert check(gate) == 4


def test_what_a_server_says_cannot_write_lines_or_commands_of_its_own(
    gate: FaultyGate, capsys: pytest.CaptureFixture[str]
):
    gate.answers = [problem("422 X", "a\n::error::b\x1b[31m", findings=[{"pointer": "::set", "message": "c\r\n::d"}])]
    check(gate)
    gate.answers = [verdict(denied(message="x\n::warning::y\x1b[0m", fix="\r::debug::z"))]
    check(gate)
    said = "".join(capsys.readouterr())
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert "\x1b" not in said


def test_an_as_of_is_echoed_as_the_same_moment(gate: FaultyGate):
    at = datetime.now(UTC) + timedelta(minutes=1)
    gate.answers = [verdict(document(as_of=at.isoformat()))]
    assert check(gate, "--what-if", "--as-of", at.isoformat()) == 0
    assert check(gate, "--what-if", "--as-of", (at + timedelta(seconds=1)).isoformat()) == 4
