"""The rules in deploy/prometheus ask for metrics, labels and values that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from kernel import measures
from portal import metrics  # noqa: F401 - declares all of them
from tests.architecture.tree import ROOT, text

FOLDER = "deploy/prometheus"
ADDED_BY_PROMETHEUS = {"job", "instance", "le", "alertname"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text(f"{FOLDER}/tillgate-rules.yml"))["groups"] for rule in group["rules"]]


def known() -> dict[str, set[str]]:
    """Names as a query uses them, with their labels."""
    made: dict[str, set[str]] = {}
    for one in measures.declared():
        names = [one.exposed]
        if one.kind == "histogram":
            names = [f"{one.name}_{part}" for part in ("bucket", "sum", "count")]
        made |= {key: set(one.labels) for key in names}
    return made


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    metrics_known, asked = known(), re.findall(r"(tillgate_\w+)(?:\{([^}]*)\})?", rule["expr"])
    assert asked or rule["expr"].startswith("up{")
    for name, selector in asked:
        assert name in metrics_known
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert labels <= metrics_known[name] | ADDED_BY_PROMETHEUS
    shown = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    every = set().union(*(metrics_known[name] for name, _ in asked)) if asked else set()
    assert shown <= every
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_jobs_that_a_rule_names_exist() -> None:
    named = re.search(r'job=~"([^"]+)"', next(r["expr"] for r in rules() if r["alert"] == "TillgateJobNotDone"))
    assert named is not None
    sources = "".join(
        text(path)
        for path in (
            "runtime/worker/scheduler.py",
            "governance/services/periodic_jobs.py",
            "catalog/services/periodic_jobs.py",
        )
    )
    assert {job for job in named[1].split("|") if f'run("{job}"' not in sources} == set()


def test_the_configuration_scrapes_with_a_token_and_reads_the_rules() -> None:
    configuration = yaml.safe_load(text(f"{FOLDER}/prometheus.yml"))
    (job,) = configuration["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert "credentials_file" in job["authorization"]
    assert configuration["rule_files"] == ["tillgate-rules.yml"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on this machine")
def test_promtool_accepts_rules_and_configuration() -> None:
    for command in (["check", "rules", "tillgate-rules.yml"], ["check", "config", "--syntax-only", "prometheus.yml"]):
        said = subprocess.run(["promtool", *command], cwd=ROOT / FOLDER, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout + said.stderr
