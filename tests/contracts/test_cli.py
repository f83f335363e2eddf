"""The command line: exit codes, five forms of output, and batches that go on after a case that fails."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.contracts.test_read_odata import V2
from tests.contracts.test_read_real import ASYNC_2, ASYNC_3
from tillgate_contracts.cli import main

BASE = """openapi: 3.0.3
info: {title: Prices, version: '1'}
paths:
  /prices:
    get:
      operationId: prices
      parameters: [{name: store, in: query, schema: {type: string}}]
      responses:
        200:
          description: prices
          content:
            application/json: {schema: {type: object, required: [amount], properties: {amount: {type: string}}}}
"""
BREAKING = BASE.replace("required: [amount], ", "").replace("in: query,", "in: query, required: true,")
WARNING = BASE.replace("      parameters: [{name: store, in: query, schema: {type: string}}]\n", "")
HARMLESS = BASE.replace("title: Prices", "title: All prices").replace(
    "paths:\n", "paths:\n  /new: {get: {operationId: new, responses: {200: {description: new}}}}\n"
)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    texts = {
        "base": BASE,
        "breaking": BREAKING,
        "warning": WARNING,
        "harmless": HARMLESS,
        "broken": "openapi: [",
        "other": "type: string\n",
    }
    found = {}
    for name, text in texts.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        found[name] = str(path)
    (tmp_path / "odata.edmx").write_bytes(V2)
    (tmp_path / "async2.yaml").write_bytes(ASYNC_2)
    (tmp_path / "async3.yaml").write_bytes(ASYNC_3)
    found.update(
        {"edmx": str(tmp_path / "odata.edmx"), "async2": str(tmp_path / "async2.yaml"), "folder": str(tmp_path)}
    )
    return found


def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str]:
    out = io.StringIO()
    code = main(arguments, stdin=io.BytesIO(stdin), out=out)
    return code, out.getvalue()


def batch(command: str, *cases: dict[str, Any] | bytes, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    lines = b"\n".join(case if isinstance(case, bytes) else json.dumps(case).encode() for case in cases)
    code, text = run(command, "--batch", *options, stdin=lines)
    assert code == 0
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("revision", "code"), [("base", 0), ("harmless", 0), ("breaking", 1), ("warning", 2)])
def test_the_exit_code_of_compare_is_the_verdict(files: dict[str, str], revision: str, code: int) -> None:
    assert run("compare", files["base"], files[revision])[0] == code


def test_warnings_can_be_let_pass(files: dict[str, str]) -> None:
    assert run("compare", files["base"], files["warning"], "--fail-on", "breaking")[0] == 0
    assert run("compare", files["base"], files["breaking"], "--fail-on", "never")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "absent.yaml", "absent.yaml"),
        ("compare", "one.yaml"),
        ("read", "absent.yaml"),
        ("read",),
        ("compat", "one.json"),
        ("lint", "--rules", "absent.yaml"),
    ],
)
def test_input_that_cannot_be_used_is_three(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments)[0] == 3
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("compare", "--as-of", "soon", "a", "b"), ("shout",), ("lint", "--tier", "9", "x"), ()]
)
def test_wrong_usage_is_three_too(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 3


def test_a_contract_that_cannot_be_read_says_where(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", files["base"], files["broken"])[0] == 3
    assert "contract.yaml_syntax" in capsys.readouterr().err


def test_json_output_is_versioned_and_the_same_every_time(files: dict[str, str]) -> None:
    arguments = ("compare", files["base"], files["breaking"], "--as-of", "2026-01-31", "--format", "json")
    first, second = run(*arguments)[1], run(*arguments)[1]
    assert first == second
    data = json.loads(first)
    assert (data["schema_version"], data["command"], data["verdict"], data["as_of"]) == (
        "1",
        "compare",
        "breaking",
        "2026-01-31",
    )
    finding = next(finding for finding in data["findings"] if finding["rule"] == "request-parameter-became-required")
    assert finding["path"] == "/prices"
    assert finding["operation"] == "GET /prices"
    assert finding["line"] == 7


def test_junit_counts_failures(files: dict[str, str]) -> None:
    suite = etree.fromstring(run("compare", files["base"], files["breaking"], "--format", "junit")[1].encode())[0]
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) >= 2
    calm = etree.fromstring(run("compare", files["base"], files["base"], "--format", "junit")[1].encode())[0]
    assert (calm.get("tests"), calm.get("failures")) == ("1", "0")


def test_sarif_names_rule_place_and_fingerprint(files: dict[str, str]) -> None:
    log = json.loads(run("compare", files["base"], files["breaking"], "--format", "sarif")[1])
    assert log["version"] == "2.1.0"
    driver = log["runs"][0]["tool"]["driver"]
    first = log["runs"][0]["results"][0]
    assert first["level"] == "error"
    assert driver["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] > 0
    assert first["partialFingerprints"]["tillgate/v1"]


def test_markdown_cannot_be_broken_by_names_in_a_contract(files: dict[str, str], tmp_path: Path) -> None:
    evil = tmp_path / "evil.yaml"
    evil.write_text(
        BASE.replace("amount: {type: string}", "'a|b<script>`x`': {type: string}").replace(
            "[amount]", "['a|b<script>`x`']"
        )
    )
    text = run("compare", files["base"], str(evil), "--format", "markdown")[1]
    assert "<script>" not in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {4}


def test_output_goes_to_a_file_when_asked(files: dict[str, str], tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    assert run("lint", files["base"], "--format", "markdown", "--output", str(target)) == (1, "")
    assert target.read_text().startswith("## Contract lint: error")
    assert run("lint", files["base"], "--output", str(tmp_path / "no" / "where"))[0] == 3


def test_the_text_form_starts_with_the_verdict(files: dict[str, str]) -> None:
    text = run("compare", files["base"], files["breaking"])[1]
    assert text.startswith("compare: breaking\n")
    assert "BREAKING request-parameter-became-required" in text
    assert f"{files['breaking']}:7" in text


def test_read_describes_any_format(files: dict[str, str]) -> None:
    assert "operations  1" in run("read", files["base"])[1]
    data = json.loads(run("read", files["edmx"], "--format", "json")[1])
    assert (data["format"], data["operation_count"]) == ("edmx-2", 9)
    assert json.loads(run("read", files["base"], "--tree")[1])["openapi"] == "3.0.3"
    assert "GET      /prices" in run("read", files["base"], "--operations")[1]


def test_a_policy_file_changes_the_verdict(files: dict[str, str], tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("request_input_removed: info\n")
    assert run("compare", files["base"], files["warning"], "--policy", str(policy))[0] == 0
    policy.write_text("no_such_key: 1\n")
    assert run("compare", files["base"], files["warning"], "--policy", str(policy))[0] == 3


def test_a_comparison_batch_answers_every_line_and_goes_on_after_errors(files: dict[str, str]) -> None:
    answers = batch(
        "compare",
        {"id": 1, "base": files["base"], "revision": files["breaking"], "as_of": "2026-01-31"},
        {"id": "two", "base": files["base"], "revision": files["broken"]},
        b"{not json",
        b"[1]",
        b"",
        {"id": 5, "base": files["base"]},
        {
            "id": 6,
            "base": files["base"],
            "revision": files["harmless"],
            "policy": {"sunset_min_days_beta": 30, "stability_threshold": "beta"},
        },
        {"id": 7, "base": files["base"], "revision": files["base"], "policy": {"sunset_min_days_stable": -1}},
        {"id": 8, "base": files["base"], "revision": files["base"], "as_of": "soon"},
        {"id": 9, "base": files["base"], "revision": files["other"]},
        {"id": 10, "base": files["base"], "revision": files["base"]},
    )
    assert [answer["id"] for answer in answers] == [1, "two", None, None, 5, 6, 7, 8, 9, 10]
    assert [answer.get("verdict", "error") for answer in answers] == [
        *("breaking", "error", "error", "error", "error", "compatible", "error", "error", "error", "none")
    ]
    found = answers[0]["findings"][0]
    assert {"rule", "level", "operation", "path", "pointer"} <= found.keys()
    assert (found["operation"], found["path"], found["operations"]) == ("GET", "/prices", ["GET /prices"])
    assert answers[1]["code"] == "contract.yaml_syntax"
    assert all(isinstance(answer["error"], str) for answer in answers if "verdict" not in answer)


def test_a_compatibility_batch_takes_inline_schemas() -> None:
    answers = batch(
        "compat",
        {"id": "a", "old": {"type": "string"}, "new": {}, "direction": "backward"},
        {"id": "b", "old": {"type": "string"}, "new": {}, "direction": "forward"},
        {"id": "c", "old": {"type": "string"}, "new": {}, "direction": "full"},
        {"id": "d", "old": True, "new": False},
        {"id": "e", "old": {"$ref": "https://example.com/a.json"}, "new": {"$ref": "https://example.com/b.json"}},
        {"id": "f", "old": 3, "new": {}},
        {"id": "g", "old": {"type": "string"}, "new": {"type": "integer"}, "direction": "sideways"},
        {
            "id": "h",
            "old": [{"type": "integer"}, {"type": "number"}],
            "new": {"type": "integer"},
            "direction": "backward-transitive",
        },
        {"id": "i", "old": {"$schema": "http://json-schema.org/draft-07/schema#"}, "new": {"title": "x"}},
        {"id": "j", "new": {}},
    )
    assert [answer.get("compatible", "error") for answer in answers] == [
        True,
        False,
        False,
        False,
        None,
        "error",
        "error",
        False,
        True,
        "error",
    ]
    assert answers[0]["upgrade_order"].startswith("consumers first")
    assert answers[1]["findings"]


def test_compat_speaks_of_messages_for_events(files: dict[str, str], tmp_path: Path) -> None:
    newer = tmp_path / "newer.yaml"
    newer.write_bytes(
        ASYNC_2.replace(b"amount: {type: string}", b"amount: {type: integer}").replace(b", {name: Gone}", b"")
    )
    code, text = run("compat", files["async2"], str(newer), "--direction", "full")
    assert code == 1
    assert "in Changed" in text
    assert run("compat", files["async2"], files["async2"], "--direction", "full")[0] == 0
    assert run("compat", files["base"], files["base"])[0] == 3
    gone = tmp_path / "gone.yaml"
    gone.write_bytes(ASYNC_2.replace(b"name: Ask", b"name: Asked"))
    backward = run("compat", files["async2"], str(gone), "--direction", "backward")
    assert backward[0] == 1
    assert "event-message-removed" in backward[1]
    assert run("compat", files["async2"], str(gone), "--direction", "none")[0] == 0


def test_compat_takes_a_whole_history(tmp_path: Path) -> None:
    paths = []
    for number, kind in enumerate(("integer", "number", "integer")):
        path = tmp_path / f"v{number}.json"
        path.write_text(json.dumps({"type": kind}))
        paths.append(str(path))
    assert run("compat", *paths, "--direction", "forward-transitive")[0] == 0
    assert run("compat", *paths, "--direction", "backward-transitive")[0] == 1
    assert run("compat", *paths, "--direction", "backward")[0] == 3


def test_lint_and_read_have_batches(files: dict[str, str]) -> None:
    lint = batch(
        "lint",
        {"id": 1, "file": files["base"], "tier": 0},
        {"id": 2, "file": files["broken"]},
        {"id": 3, "file": files["base"], "tier": 7},
    )
    assert [answer.get("verdict", "error") for answer in lint] == ["error", "error", "error"]
    assert lint[0]["findings"]
    assert lint[1]["code"] == "contract.yaml_syntax"
    assert lint[2]["code"] == "lint.context"
    assert [answer.get("format") for answer in batch("read", {"id": 1, "file": files["edmx"]}, {"id": 2})] == [
        "edmx-2",
        None,
    ]


def test_lint_takes_own_rules_and_says_what_does_not_map(files: dict[str, str], tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "extends: spectral:oas\nrules:\n"
        "  needs-license: {given: $.info, severity: error, then: {field: license, function: truthy}}\n"
    )
    code, text = run("lint", files["base"], "--rules", str(rules), "--only-own")
    assert code == 1
    assert "not mapped: extends" in text
    assert "ERROR needs-license" in text
    assert run("lint", files["base"], "--only-own")[0] == 3


def test_rules_are_listed() -> None:
    rows = json.loads(run("rules", "--format", "json")[1])
    assert {row["of"] for row in rows} == {"compare", "lint"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert "| `money-not-float` | lint | error |" in run("rules", "--format", "markdown")[1]


def test_the_page_of_lint_rules_is_up_to_date() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "lint-rules.md").read_text()
    table = run("rules", "--of", "lint", "--format", "markdown")[1]
    assert table in page, "make it again: tillgate contracts rules --of lint --format markdown"


def test_a_process_of_its_own_loads_no_django_and_flushes_each_line(files: dict[str, str]) -> None:
    code = (
        "import sys, runpy\nsys.argv = ['contracts', 'compare', '--batch']\n"
        "try:\n    runpy.run_module('tillgate_contracts', run_name='__main__')\nfinally:\n"
        "    sys.stderr.write(' '.join(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for revision, verdict in (("breaking", "breaking"), ("base", "none")):
        process.stdin.write(json.dumps({"id": 1, "base": files["base"], "revision": files[revision]}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["verdict"] == verdict
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "tillgate_contracts" in errors.split()
    assert "django" not in errors.split()
