"""What people read of a lint report: a rule that fails nearly everywhere is one finding, and nothing is cut unsaid."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tillgate_contracts.cli import main
from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import grouped, lint
from tillgate_contracts.reading import read


def contract(properties: int, *, described: int = 0, paths: int = 1) -> bytes:
    """Schemas of ten properties each, of which the first `described` have a description."""
    schemas: dict[str, Any] = {}
    for number in range(properties):
        schema = schemas.setdefault(f"S{number // 10}", {"type": "object", "properties": {}})
        schema["properties"][f"p{number}"] = {"type": "string", **({"description": "x"} if number < described else {})}
    served = {f"/s{number}/": {"get": {"operationId": f"s{number}", "responses": {}}} for number in range(paths)}
    tree = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": served}
    return json.dumps({**tree, "components": {"schemas": schemas}}, indent=1).encode()


def run(tmp_path: Path, content: bytes, *options: str) -> tuple[int, str]:
    (tmp_path / "api.json").write_bytes(content)
    out = io.StringIO()
    code = main(["lint", str(tmp_path / "api.json"), *options], out=out)
    return code, out.getvalue()


@pytest.mark.parametrize(
    ("properties", "described", "lines"),
    [(9, 0, 9), (11, 0, 1), (30, 19, 11), (30, 15, 1), (100, 80, 20), (200, 150, 1)],
)
def test_a_rule_that_fails_nearly_everywhere_is_one_finding(properties: int, described: int, lines: int) -> None:
    report = lint(read(contract(properties, described=described)))
    found = [finding for finding in grouped(report) if finding.rule == "property-described"]
    assert len(found) == lines
    assert sum(finding.count for finding in found) == properties - described
    if lines == 1:
        assert found[0].message == (
            f"Properties are described: not so at {properties - described} of {properties} properties."
        )
        assert [place.pointer for place in found[0].places] == [
            finding.pointer for finding in report.findings if finding.rule == "property-described"
        ][:3]


def test_the_text_says_what_it_cuts_and_all_lists_it(tmp_path: Path) -> None:
    content = contract(819)
    _, text = run(tmp_path, content)
    assert text.count("property-described") == 1
    assert "not so at 819 of 819 properties" in text
    assert "and at 816 more: --all lists each" in text
    assert "a rule that fails nearly everywhere is one" in text
    _, text = run(tmp_path, content, "--all")
    assert text.count("info property-described") == 819
    assert "--all lists" not in text


def test_markdown_has_the_count_too(tmp_path: Path) -> None:
    _, text = run(tmp_path, contract(819), "--format", "markdown")
    assert text.count("819 of 819 properties") == 1
    assert "816 more" in text


def test_programs_get_every_place_and_the_groups(tmp_path: Path) -> None:
    _, text = run(tmp_path, contract(819), "--format", "json")
    data = json.loads(text)
    assert sum(1 for finding in data["findings"] if finding["rule"] == "property-described") == 819
    group = next(group for group in data["groups"] if group["rule"] == "property-described")
    assert (group["count"], len(group["places"])) == (819, 3)
    assert group["places"][0]["line"]
    _, text = run(tmp_path, contract(819), "--format", "sarif")
    assert sum(1 for item in json.loads(text)["runs"][0]["results"] if item["ruleId"] == "property-described") == 819
    _, text = run(tmp_path, contract(819), "--format", "junit")
    assert text.count('name="property-described') == 819


def test_a_list_that_is_too_long_is_counted_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillgate_contracts.lint.engine.MAX_PER_RULE", 50)
    report = lint(read(contract(80)))
    outcome = next(outcome for outcome in report.outcomes if outcome.rule == "property-described")
    assert (outcome.total, outcome.listed) == (80, 50)
    assert next(f.count for f in grouped(report) if f.rule == "property-described") == 80
    _, text = run(tmp_path, contract(80), "--all")
    assert "property-described: 50 of 80 listed" in text


def test_the_verdict_and_the_exit_code_do_not_depend_on_grouping(tmp_path: Path) -> None:
    content = contract(30, paths=30)
    assert run(tmp_path, content)[0] == run(tmp_path, content, "--all")[0] == 1


def test_a_contract_of_a_third_party_is_reported_on(tmp_path: Path) -> None:
    content = contract(3)
    report = lint(read(content), tier=0, profile="third-party")
    own = {finding.rule: finding.level for finding in lint(read(content), tier=0).findings}
    lowered = {finding.rule: finding.level for finding in report.findings}
    assert lowered.keys() == own.keys()
    assert {own[rule] for rule, level in lowered.items() if level == "warning"} == {"error"}
    assert "error" not in lowered.values()
    assert report.verdict == "warning"
    assert report.context["profile"] == "third-party"
    code, text = run(tmp_path, content, "--profile", "third-party")
    assert code == 0
    assert "profile: third-party" in text
    assert run(tmp_path, content, "--profile", "third-party", "--fail-on", "warning")[0] == 2


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        lint(read(contract(1)), profile="vendor")
    assert caught.value.code == "lint.context"
