"""The token reaches the gate alone; redirects are refused; TLS and proxies that fail are 4; waiting is asked for."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.cli.witness import FaultyGate, document, problem, raw, reason, response, verdict
from tests.faults.certificates import WRONG, Certificates
from tillgate import transport, waiting
from tillgate.main import main

WORDS = "--application web-shop --version 1 --environment production --consumes price-api@v2 --token tg_secret"
UNKNOWN = document(verdict="unknown", reasons=[reason(word="unknown", code="evidence.missing")])


def check(url: str, *more: str) -> int:
    return main(["check", *WORDS.split(" "), "--url", url, "--timeout", "5", *more])


# -- elsewhere -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_4_and_the_other_address_hears_nothing(
    gate: FaultyGate, status: int, capsys: pytest.CaptureFixture[str]
):
    with FaultyGate().running() as elsewhere:
        gate.answers = [raw(response(b"", status=f"{status} Moved", headers={"Location": elsewhere.url + "/x"}))]
        assert check(gate.url) == 4
        assert elsewhere.journal == []
    assert elsewhere.url in capsys.readouterr().err


def test_a_token_that_travels_unencrypted_is_told_of(gate: FaultyGate, monkeypatch, capsys):
    monkeypatch.setattr(transport, "LOOPBACK", frozenset())
    assert check(gate.url) == 0
    assert "unencrypted" in capsys.readouterr().err


# -- TLS -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[FaultyGate]:
    with FaultyGate(tls=certificates.context()).running() as made:
        yield made


def test_a_certificate_that_nobody_signed_is_4_and_one_that_is_trusted_is_heard(secure: FaultyGate, certificates):
    assert check(secure.url) == 4
    assert secure.journal == []
    assert check(secure.url, "--ca-file", str(certificates.authority)) == 0


@pytest.mark.parametrize("wrong", WRONG)
def test_a_certificate_that_has_ended_or_is_of_another_address_is_4(secure: FaultyGate, certificates, wrong: str):
    assert secure.tls
    certificates.present(secure.tls, wrong)
    assert check(secure.url, "--ca-file", str(certificates.authority)) == 4
    assert secure.journal == []


def test_plain_where_tls_is_spoken_and_the_reverse_are_4(gate: FaultyGate, secure: FaultyGate):
    assert check(gate.url.replace("http:", "https:"), "--timeout", "0.3") == 4
    assert check(secure.url.replace("https:", "http:"), "--timeout", "0.3") == 4
    assert gate.journal == secure.journal == []


def test_a_file_of_certificates_that_is_none_is_3(secure: FaultyGate):
    Path("none.pem").write_text("x")
    assert check(secure.url, "--ca-file", "none.pem") == 3


# -- nobody there --------------------------------------------------------------------------------------------------
def test_a_gate_that_is_not_there_is_4():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert check(f"http://127.0.0.1:{port}") == 4
    assert check("http://no-such-host.invalid") == 4


def test_a_gate_that_says_nothing_is_4_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert check(url, "--timeout", "0.1") == 4
        assert check(url.replace("http:", "https:"), "--timeout", "0.1") == 4


# -- a proxy -------------------------------------------------------------------------------------------------------
def test_a_proxy_carries_the_question_and_its_own_password_stays_with_it(gate: FaultyGate, monkeypatch):
    monkeypatch.setenv("http_proxy", gate.url.replace("//", "//user:p%40ss@"))
    assert check("http://gate.example/base") == 0
    received = gate.journal[0]
    assert received.path == "http://gate.example/base/api/v1/gate/verdicts"
    assert received.headers["host"] == "gate.example"
    assert received.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_a_proxy_that_opens_a_tunnel_never_sees_the_token(gate: FaultyGate, monkeypatch):
    gate.answers = [raw(b"HTTP/1.1 403 No\r\n\r\n")]
    monkeypatch.setenv("HTTPS_PROXY", gate.url)
    assert check("https://gate.example") == 4
    assert gate.journal[0].line == "CONNECT gate.example:443 HTTP/1.1" or gate.journal[0].line.startswith("CONNECT")
    assert "authorization" not in gate.journal[0].headers


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "x.example, 127.0.0.1"])
def test_no_proxy_is_kept(gate: FaultyGate, monkeypatch, exempt: str):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert check(gate.url) == 4
    monkeypatch.setenv("no_proxy", exempt)
    assert check(gate.url) == 0


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "511 Network Authentication Required"])
def test_a_proxy_that_answers_itself_is_4(gate: FaultyGate, status: str):
    gate.answers = [problem(status)]
    assert check(gate.url) == 4


# -- waiting -------------------------------------------------------------------------------------------------------
@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses; the clock of `waiting` moves by them alone."""
    pauses: list[float] = []
    monkeypatch.setattr(waiting, "sleep", pauses.append)
    monkeypatch.setattr(waiting, "clock", lambda: sum(pauses))
    return pauses


BUSY = problem("503 Busy")


def test_without_wait_nothing_is_asked_twice(gate: FaultyGate, slept: list[float]):
    gate.answers = [BUSY, verdict()]
    assert check(gate.url) == 4
    assert (len(gate.journal), slept) == (1, [])


@pytest.mark.parametrize("status", ["408 X", "425 X", "429 X", "502 X", "503 X", "504 X"])
def test_not_now_and_unknown_are_waited_out_where_asked(gate: FaultyGate, slept: list[float], status: str):
    gate.answers = [problem(status), verdict(UNKNOWN), verdict()]
    assert check(gate.url, "--wait", "60") == 0
    assert len(gate.journal) == 3
    assert slept[0] < slept[1] <= 3


@pytest.mark.parametrize("answer", [problem("422 X"), problem("500 X"), raw(b"no"), verdict(b"{}"), problem("403 X")])
def test_what_no_waiting_changes_is_not_asked_again(gate: FaultyGate, slept: list[float], answer):
    gate.answers = [answer, verdict()]
    assert check(gate.url, "--wait", "60") in (3, 4)
    assert (len(gate.journal), slept) == (1, [])


def test_a_deny_is_not_waited_for(gate: FaultyGate, slept: list[float]):
    gate.answers = [verdict(document(verdict="deny", reasons=[reason()])), verdict()]
    assert check(gate.url, "--wait", "60") == 1
    assert slept == []


def test_waiting_ends_with_the_last_answer(gate: FaultyGate, slept: list[float]):
    gate.answers = [verdict(UNKNOWN)]
    assert check(gate.url, "--wait", "100") == 2
    assert sum(slept) == pytest.approx(100)
    assert max(slept) <= 30 * 1.25
    gate.answers = [BUSY]
    assert check(gate.url, "--wait", "100") == 4


def test_a_pause_that_the_gate_asks_for_is_kept(gate: FaultyGate, slept: list[float]):
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    gate.answers = [problem("429 X", **{"Retry-After": "20"}), problem("503 X", **{"Retry-After": at}), verdict()]
    assert check(gate.url, "--wait", "90") == 0
    assert slept[0] == 20
    assert 38 < slept[1] <= 40


def test_a_pause_longer_than_what_is_left_is_not_begun(gate: FaultyGate, slept: list[float]):
    gate.answers = [problem("429 X", **{"Retry-After": "500"})]
    assert check(gate.url, "--wait", "90") == 4
    assert slept == []


@pytest.mark.parametrize("text", ["-1", "soon", "1.5", "9" * 30, "\u0663"])
def test_a_pause_that_cannot_be_read_is_none(text: str):
    assert transport.pause_of(text, datetime.now(UTC)) == 0.0


# -- telling -------------------------------------------------------------------------------------------------------
COMMANDS = {
    "record-deployment": ("/api/v1/gate/deployments", ["--consumes-nothing", "--version", "1"], "201 Created"),
    "record-release": ("/api/v1/gate/releases", ["--consumes-nothing", "--version", "1"], "201 Created"),
    "end-release": ("/api/v1/gate/releases/end", ["--version", "1"], "200 OK"),
    "undeploy": ("/api/v1/gate/undeploy", ["--instance", "store-7"], "200 OK"),
}


def tell(command: str, gate: FaultyGate, *more: str) -> int:
    about = ["--application", "web-shop", "--environment", "production"]
    return main([command, *about, "--url", gate.url, "--token", "tg_x", *COMMANDS[command][1], *more])


def recorded(received) -> dict:
    said = received.json
    return {"ended": 1} if "consumes" not in said else {"id": 1, "instance": "", **said}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_told_reaches_its_address_and_ends_with_0(gate: FaultyGate, command: str, capsys):
    path, _, status = COMMANDS[command]
    gate.answers = [lambda received: response(recorded(received), status=status)]
    assert tell(command, gate) == 0
    assert gate.journal[0].path == path
    said = json.loads(capsys.readouterr().out)
    assert said.get("ended") == 1 or said["application"] == "web-shop"
    assert tell(command, gate, "--format", "text") == 0


@pytest.mark.parametrize("command", ["record-deployment", "record-release"])
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verdict": None, "against_gate": False}, "the gate was not asked"),
        ({"verdict": 7, "against_gate": True}, "against verdict 7"),
        ({"verdict": 7, "against_gate": False}, ""),
        ({}, ""),
    ],
)
def test_what_was_not_asked_or_went_live_against_the_gate_is_told(
    gate: FaultyGate, command: str, form: str, more: dict, said: str, capsys
):
    gate.answers = [lambda received: response(recorded(received) | more, status="201 Created")]
    assert tell(command, gate, "--format", form) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "unencrypted" not in line]
    assert (said in told[0], len(told)) == (True, 1) if said else not told


@pytest.mark.parametrize("command", ["end-release", "undeploy"])
@pytest.mark.parametrize("missed", [True, False, None])
def test_what_was_taken_away_against_the_gate_is_told(gate: FaultyGate, command: str, missed: bool | None, capsys):
    more = {} if missed is None else {"against_gate": missed}
    gate.answers = [lambda received: response(recorded(received) | more)]
    assert tell(command, gate, "--format", "text") == 0
    assert ("would not have allowed to take this away" in capsys.readouterr().err) is bool(missed)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "answer",
    [
        raw(response({}, status="201 Created")),
        raw(response({})),
        raw(response(b"<html>", status="201 Created")),
        raw(response({"ended": True})),
        raw(response({"application": "kiosk", "version": "1", "environment": "production"}, status="201 Created")),
        raw(response({"ended": 1}, status="202 Accepted")),
        raw(b"HTTP/1.1 201 Created\r\n\r\n"),
        problem("429 X"),
        raw(response(b"", status="307 X", headers={"Location": "http://127.0.0.1:1/"})),
    ],
)
def test_what_does_not_say_that_it_is_recorded_is_4(gate: FaultyGate, command: str, answer):
    gate.answers = [answer]
    assert tell(command, gate) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_refused_record_is_3_and_one_that_came_too_early_is_tried_again(gate: FaultyGate, command: str, slept):
    gate.answers = [problem("403 Forbidden", "Not your application.")]
    assert tell(command, gate) == 3
    status = COMMANDS[command][2]
    gate.answers = [BUSY, lambda received: response(recorded(received), status=status)]
    assert tell(command, gate, "--wait", "30") == 0


@pytest.mark.parametrize("missing", ["--application", "--environment"])
def test_undeploy_without_a_place_is_3(gate: FaultyGate, missing: str):
    given = {"--application": "web-shop", "--environment": "production"}
    given[missing] = ""
    assert main(["undeploy", "--url", gate.url, *(part for pair in given.items() for part in pair)]) == 3
    assert gate.journal == []
