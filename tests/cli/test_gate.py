"""`tillgate check`: exit codes are the contract, and every format can be read by its reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tillgate.main import main

BASE = [
    "check",
    "--application",
    "web-shop",
    "--version",
    "1",
    "--environment",
    "production",
    "--consumes",
    "price-api@v2",
]


class Gate:
    """A gate that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.answer, self.asked = 200, {"verdict": "allow"}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked.append((self.path, self.headers.get("Authorization"), json.loads(body)))
                data = json.dumps(outer.answer).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize(("verdict", "code"), [("allow", 0), ("deny", 1), ("unknown", 2), ("perhaps", 2)])
def test_the_exit_code_is_the_verdict_and_a_strange_answer_is_unknown(gate: Gate, verdict: str, code: int):
    gate.answer = {"verdict": verdict}
    assert main([*BASE, "--url", gate.url]) == code


def test_unknown_lets_pass_while_the_gate_only_reports_unless_strict(gate: Gate):
    gate.answer = {"verdict": "unknown", "enforcing": False}
    assert main([*BASE, "--url", gate.url]) == 0
    assert main([*BASE, "--url", gate.url, "--strict"]) == 2


def test_a_refused_question_is_3_and_says_where(gate: Gate, capsys: pytest.CaptureFixture[str]):
    gate.status, gate.answer = (
        422,
        {"detail": "The question is not valid.", "findings": [{"pointer": "/version", "message": "Give a version."}]},
    )
    assert main([*BASE, "--url", gate.url]) == 3
    assert "/version: Give a version." in capsys.readouterr().err


def test_a_broken_or_missing_gate_is_4(gate: Gate, capsys: pytest.CaptureFixture[str]):
    gate.status = 503
    assert main([*BASE, "--url", gate.url]) == 4
    assert main([*BASE, "--url", "http://127.0.0.1:9"]) == 4
    assert "does not answer" in capsys.readouterr().err


def test_a_wrong_command_line_is_3(capsys: pytest.CaptureFixture[str]):
    assert main(["check"]) == 3
    assert main([*BASE, "--url", "ftp://x"]) == 3
    assert main([*BASE, "--question", "/no/such/file"]) == 3


def test_consuming_nothing_is_said_and_unsaid_is_left_out(gate: Gate):
    asked = [a for a in BASE if a not in {"--consumes", "price-api@v2"}]
    main([*asked, "--url", gate.url, "--token", "tg_x"])
    main(
        [
            *asked,
            "--url",
            gate.url,
            "--consumes-nothing",
            "--provides",
            "cart@v1=sha256:aa",
            "--integration",
            "sales=sha256:bb",
        ]
    )
    (path, authorization, first), (_, _, second) = gate.asked
    assert (path, authorization, "consumes" in first) == ("/api/v1/gate/verdicts", "Bearer tg_x", False)
    assert second["consumes"] == []
    assert second["provides"] == [{"version": "cart@v1", "contract_digest": "sha256:aa"}]
    assert second["integrations"] == [{"key": "sales", "digest": "sha256:bb"}]


def test_junit_and_sarif_are_what_their_readers_expect(gate: Gate, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    gate.answer = {
        "verdict": "deny",
        "reasons": [{"code": "version.past_sunset", "message": "It <is> past & gone", "fix": "Move."}],
    }
    junit, sarif = tmp_path / "junit.xml", tmp_path / "sarif.json"
    assert main([*BASE, "--url", gate.url, "--format", "junit", "--output", str(junit)]) == 1
    assert main([*BASE, "--url", gate.url, "--format", "sarif", "--output", str(sarif)]) == 1
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("failures"), suite[0].get("name")) == ("1", "version.past_sunset")
    result = json.loads(sarif.read_text())["runs"][0]["results"][0]
    assert (result["ruleId"], result["level"]) == ("version.past_sunset", "error")
    assert "to change this: Move." in capsys.readouterr().out
