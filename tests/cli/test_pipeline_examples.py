"""The commands of the pipelines in the how-to run as they stand there, and stop where the gate does not allow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.witness import FaultyGate, Received, denied, document, problem, response, verdict
from tillgate.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "ask-from-a-pipeline.md"
CONNECTED = PAGE.with_name("connect-a-pipeline.md")
CLI = PAGE.parents[2] / "cli"
VERSION = "4.12.0"
SHA = "141be9714669a4c1ccaa013c6a7f3e462ff2a40f"
PIPELINES = ("GitHub Actions", "GitLab CI", "Jenkins", "Argo CD")


def example(heading: str) -> str:
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)[0]


def commands(heading: str) -> list[str]:
    """What the pipeline runs, in order, one shell each."""
    text = example(heading)
    if heading == "Jenkins":
        return re.findall(r"sh '([^']+)'", text)
    made: dict[str, Any] = yaml.safe_load(text)
    if heading == "GitHub Actions":
        return [step["run"] for step in made["jobs"]["production"]["steps"] if "run" in step][1:]
    if heading == "GitLab CI":
        return [*made["gate"]["script"], *made["production"]["script"]]
    container = made["spec"]["template"]["spec"]["containers"][0]
    return [" ".join([*container["command"], *container["args"]])]


@pytest.fixture
def place(gate: FaultyGate, tmp_path: Path) -> dict[str, str]:
    """The pipeline's folder, with the commands `tillgate` and `deploy.sh` in it; returns its environment."""
    tools = tmp_path / "bin"
    tools.mkdir()
    made = {"tillgate": f'exec {sys.executable} -m tillgate "$@"', "deploy.sh": "echo deployed >> deployed"}
    for name, text in made.items():
        path = (tools if name == "tillgate" else tmp_path) / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    Path("vendored.json").write_text(json.dumps({"type": "object"}))
    assert main(["lock", "--consumes", "price-api@v2=vendored.json"]) == 0
    Path("question.json").write_text(json.dumps({"application": "web-shop", "consumes": ["price-api@v2"]}))
    names = {"GITHUB_REF_NAME": VERSION, "CI_COMMIT_TAG": VERSION, "TAG_NAME": VERSION}
    names |= {"GITHUB_SHA": SHA, "CI_COMMIT_SHA": "0" * 40, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": SHA}
    address = {"TILLGATE_URL": gate.url, "TILLGATE_TOKEN": "tg_x", "PYTHONPATH": str(CLI)}
    return {"PATH": f"{tools}:{os.environ['PATH']}", **names, **address}


def run(heading: str, place: dict[str, str], *, most: int = 9) -> int:
    return run_all(commands(heading)[:most], place)


def run_all(listed: list[str], place: dict[str, str]) -> int:
    """The exit code of the first command that fails, as the pipelines stop there; 0 when none does."""
    for command in listed:
        done = subprocess.run(["bash", "-e", "-c", command], env=place, capture_output=True, text=True)
        if done.returncode:
            return done.returncode
    return 0


def answers(said: dict[str, Any]):
    """A verdict for a check, and the record for what is told."""

    def answer(received: Received) -> bytes:
        if received.path.endswith("/verdicts"):
            return verdict(said | {"version": received.json["version"]})(received)
        return response({"id": 1, "instance": "", **received.json}, status="201 Created")

    return answer


@pytest.mark.parametrize("heading", PIPELINES)
def test_a_pipeline_asks_deploys_and_tells(gate: FaultyGate, place: dict[str, str], heading: str):
    gate.answers = [answers(document())]
    assert run(heading, place) == 0
    assert all(received.headers["authorization"] == "Bearer tg_x" for received in gate.journal)
    asked = gate.journal[0].json
    assert (asked["application"], asked["version"], asked["environment"]) == ("web-shop", VERSION, "production")
    assert asked["consumes"]
    if heading != "Argo CD":
        assert [received.path.rpartition("/")[2] for received in gate.journal] == ["verdicts", "deployments"]
        assert Path("deployed").read_text() == "deployed\n"


@pytest.mark.parametrize("heading", PIPELINES)
def test_a_pipeline_stops_at_a_deny(gate: FaultyGate, place: dict[str, str], heading: str):
    gate.answers = [answers(denied())]
    assert run(heading, place) == 1
    assert len(gate.journal) == 1
    assert not Path("deployed").exists()


def test_a_pipeline_stops_where_the_gate_breaks(gate: FaultyGate, place: dict[str, str]):
    gate.answers = [problem("500 Broken")]
    for heading in PIPELINES:
        assert run(heading, place, most=1) == 4


def test_the_jobs_of_argo_cd_end_before_they_are_ended():
    made = yaml.safe_load(example("Argo CD"))
    args = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert made["spec"]["activeDeadlineSeconds"] > float(args[args.index("--wait") + 1]) + 20
    assert made["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"


def connected(heading: str) -> list[str]:
    """What a pipeline runs whose provider asks the gate as well, without what installs the command."""
    section = CONNECTED.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    made: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])
    jobs = made["jobs"].values() if heading == "GitHub" else []
    steps = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    listed = steps or made["ask"]["script"]
    return [command for command in listed if not command.startswith("pip install")]


@pytest.mark.parametrize("heading", ["GitHub", "GitLab"])
def test_a_connected_pipeline_asks_about_its_commit_and_stops_at_a_deny(
    gate: FaultyGate, place: dict[str, str], heading: str
):
    gate.answers = [answers(document())]
    assert run_all(connected(heading), place) == 0
    assert {received.json["version"] for received in gate.journal} == {SHA}
    assert Path("deployed").exists() is (heading == "GitHub")
    gate.answers, before = [answers(denied())], len(gate.journal)
    assert run_all(connected(heading), place) == 1
    assert len(gate.journal) == before + 1


def test_a_job_that_the_rule_holds_is_not_the_one_that_asks():
    section = CONNECTED.read_text(encoding="utf-8").split("\n## GitHub\n")[1]
    jobs = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])["jobs"]
    assert "environment" not in jobs["ask"]
    assert (jobs["production"]["needs"], jobs["production"]["environment"]) == ("ask", "production")
