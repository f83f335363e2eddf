"""A verdict that cannot be written is none; reports are what their readers expect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.witness import FaultyGate, denied, document, problem, reason, verdict
from tillgate.main import main

CLI = Path(__file__).resolve().parents[2] / "cli"
WORDS = "--application web-shop --version 1 --environment production"
ITEMS = ["--consumes", "price-api@v2", "--consumes", "stock@v1"]
FORMATS = ("text", "json", "junit", "sarif", "github", "gitlab")
MIXED = document(
    verdict="deny",
    reasons=[
        reason(message="It <is> past & gone \u2013 100%, see: x\n::error::y\x07", subject="price-api@v2"),
        reason(code="subscription.missing", subject="stock@v1", waived_by=12, message="None."),
    ],
    waivers=[
        {
            "id": 12,
            "rule": "subscription.missing",
            "subject": "stock@v1",
            "pointer": reason()["pointer"],
            "application": document()["application"],
            "environment": document()["environment"],
            "expires_at": "2199-01-01T00:00:00+00:00",
        }
    ],
    warnings=[{"code": "version.deprecated", "subject": "stock@v1", "message": "stock@v1 is deprecated."}],
)
ONLY_REPORTS = document(verdict="unknown", enforcing=False, reasons=[reason(word="unknown", report_only=True)])


def check(gate: FaultyGate, *more: str) -> int:
    return main(["check", *WORDS.split(" "), *ITEMS, "--url", gate.url, "--token", "tg_x", *more])


def report(gate: FaultyGate, form: str, answered: dict) -> str:
    gate.answers = [verdict(answered)]
    check(gate, "--format", form, "--output", "report")
    return Path("report").read_text(encoding="utf-8")


def run(gate: FaultyGate, *more: str, redirect: str = "", env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of a process of its own, below a shell that redirects its output."""
    command = [sys.executable, "-m", "tillgate", "check", *WORDS.split(" "), *ITEMS, "--url", gate.url, *more]
    done = subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "x", *command],
        cwd=CLI,
        env={"PATH": os.environ["PATH"], **(env or {})},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


# -- output that does not arrive -----------------------------------------------------------------------------------
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "| true; exit ${PIPESTATUS[0]}"])
@pytest.mark.parametrize("answered", [document(), MIXED])
def test_a_verdict_that_standard_output_does_not_take_is_4(gate: FaultyGate, redirect: str, answered: dict):
    gate.answers = [verdict(answered | {"flip": ["x" * 200_000] if "PIPE" in redirect else []})]
    code, said = run(gate, *(["--format", "json"] if "PIPE" in redirect else []), redirect=redirect)
    assert code == 4, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("name", ["/dev/full", "/no/such/folder/report", "."])
def test_a_report_that_cannot_be_written_is_4(gate: FaultyGate, name: str):
    for answered in (document(), denied()):
        gate.answers = [verdict(answered)]
        assert check(gate, "--format", "junit", "--output", name) == 4


def test_an_ascii_terminal_changes_nothing(gate: FaultyGate):
    gate.answers = [verdict(MIXED)]
    assert run(gate, env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}) == (1, "")


def test_a_closed_standard_error_changes_nothing(gate: FaultyGate):
    gate.answers = [verdict(denied())]
    assert run(gate, redirect="2>&-")[0] == 1
    gate.answers = [problem("422 X")]
    assert run(gate, redirect="2>/dev/full")[0] == 3


@pytest.mark.parametrize("form", FORMATS)
def test_the_report_of_an_earlier_run_does_not_stand_for_one_without_a_verdict(gate: FaultyGate, form: str):
    before = report(gate, form, document())
    gate.answers = [problem("503 Busy", "Come back later.")]
    assert check(gate, "--format", form, "--output", "report") == 4
    after = Path("report").read_text()
    assert "Come back later." in after
    assert after != before
    if form == "junit":
        assert ElementTree.fromstring(after).get("errors") == "1"
    if form in ("json", "sarif", "gitlab"):
        json.loads(after)


def test_a_fault_of_the_command_line_itself_is_4(gate: FaultyGate, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr("tillgate.checking.read_verdict", lambda *_: 1 / 0)
    assert check(gate) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupted_check_is_no_verdict(gate: FaultyGate, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tillgate.checking.read_verdict", interrupted)
    assert check(gate) == 130


# -- reports -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("answered", [document(), MIXED, ONLY_REPORTS], ids=["allow", "deny", "reports"])
def test_every_report_names_the_verdict_and_its_page(gate: FaultyGate, form: str, answered: dict, capsys):
    text = report(gate, form, answered)
    page = f"{gate.url}/api/v1/gate/verdicts/17"
    if form == "gitlab" and not answered["reasons"]:
        assert json.loads(text) == []
        text = capsys.readouterr().out
    assert page.replace(":", "%3A") in text.replace(page, page.replace(":", "%3A"))
    assert "17" in text.replace(page, "")


def test_the_page_for_people_is_named_where_the_gate_has_one(gate: FaultyGate, capsys):
    link = '</gate/verdicts/17/>; rel="alternate"; type="text/html"'
    gate.answers = [verdict(Link=link)]
    check(gate)
    assert f"{gate.url}/gate/verdicts/17/" in capsys.readouterr().out
    gate.answers = [verdict(Link=link.replace("</", "<https://elsewhere.example/"))]
    check(gate)
    assert "elsewhere" not in capsys.readouterr().out


def test_json_is_the_document_with_number_page_and_exit_code(gate: FaultyGate):
    made = json.loads(report(gate, "json", MIXED))
    more = {"verdict_id": 17, "page": f"{gate.url}/api/v1/gate/verdicts/17", "exit_code": 1, "hypothetical": False}
    assert made.pop("as_of") >= MIXED["as_of"], "the moment of the answer"
    assert made == {key: value for key, value in MIXED.items() if key != "as_of"} | more


def test_junit_has_a_case_for_each_item_and_waived_is_not_failed(gate: FaultyGate):
    text = report(gate, "junit", MIXED)
    suites = ElementTree.fromstring(text)
    assert {key: suites.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    failed, waived = suites.iter("testcase")
    assert (failed.get("name"), failed[0].tag) == ("version.past_sunset", "failure")
    assert (waived.get("name"), waived[0].tag) == ("subscription.missing", "skipped")
    assert "waiver 12" in waived[0].get("message", "")
    assert "\u2013" in failed[0].get("message", "")
    assert {p.get("name") for p in suites.iter("property")} >= {"verdict", "verdict_id", "page"}
    allowed = ElementTree.fromstring(report(gate, "junit", document()))
    assert (allowed.get("tests"), allowed.get("failures")) == ("2", "0")


def test_junit_of_an_unknown_that_only_reports_does_not_fail(gate: FaultyGate):
    suites = ElementTree.fromstring(report(gate, "junit", ONLY_REPORTS))
    assert (suites.get("failures"), suites.get("skipped")) == ("0", "1")


def test_sarif_has_rules_places_and_suppressions(gate: FaultyGate):
    digest = "sha256:" + "a" * 64
    Path("price.json").write_text("{}")
    sha = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    entry = {"contract_digest": digest, "file": "price.json", "files": {"price.json": sha}}
    rows = [json.dumps({"version": name} | entry) for name in ("price-api@v2", "stock@v1")]
    listed = ",\n".join(rows)
    head = '# x\n{"schema": "tillgate.lock/1", "provides": [], "integrations": [], "consumes": [\n'
    Path("tillgate.lock.yaml").write_text(f"{head}{listed}\n]}}")
    made = json.loads(report(gate, "sarif", MIXED))["runs"][0]
    rules = made["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["subscription.missing", "version.past_sunset"]
    assert all(rule["fullDescription"]["text"] and rule["help"]["text"] for rule in rules)
    failed, waived = made["results"]
    place = failed["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "tillgate.lock.yaml"}, "region": {"startLine": 3}}
    assert (failed["level"], rules[failed["ruleIndex"]]["id"]) == ("error", failed["ruleId"])
    assert (waived["level"], waived["suppressions"][0]["status"]) == ("note", "accepted")
    assert "suppressions" not in failed


def test_github_commands_are_escaped_as_the_runner_reads_them(gate: FaultyGate):
    lines = report(gate, "github", MIXED).splitlines()
    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == 1
    assert errors[0].startswith("::error file=tillgate.lock.yaml,line=1,title=version.past_sunset::It <is> past & gone")
    assert "100%25, see: x ::error::y" in errors[0]
    assert [line.split(" ")[0] for line in lines if line.startswith("::")] == [
        "::error",
        "::notice",
        "::warning",
        "::notice",
    ]
    assert "\x07" not in "".join(lines)


def test_gitlab_gets_a_code_quality_report_without_what_is_waived(gate: FaultyGate):
    found = json.loads(report(gate, "gitlab", MIXED))
    assert [(entry["check_name"], entry["severity"]) for entry in found] == [
        ("version.past_sunset", "critical"),
        ("version.deprecated", "info"),
    ]
    assert found[0]["location"] == {"path": "tillgate.lock.yaml", "lines": {"begin": 1}}
    assert len({entry["fingerprint"] for entry in found}) == 2
    assert report(gate, "gitlab", MIXED) == json.dumps(found, indent=2) + "\n"
