"""The rules in deploy/prometheus and the dashboard in deploy/grafana ask for metrics, labels and values that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernel import measures
from portal import metrics  # noqa: F401 - declares all of them
from runtime.domain import standings
from runtime.selectors import service_level_measures
from tests.architecture.tree import ROOT, text

FOLDER = "deploy/prometheus"
ADDED_BY_PROMETHEUS = {"job", "instance", "le", "alertname"}
SET_BY_A_SCRAPE = {"job", "instance"}
UNITS = {"short", "none", "s", "ms", "percent", "percentunit", "reqps", "cps", "ops", "bytes", "dateTimeAsIso"}
"""Of Grafana's, those that may be needed here."""


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


@pytest.mark.parametrize("metric", measures.declared(), ids=lambda one: one.exposed)
def test_no_metric_has_a_label_that_prometheus_sets_itself(metric: measures.Declared) -> None:
    """A scrape renames it to `exported_…`, and a rule that asks for it finds nothing
    (prometheus.io/docs, configuration, `honor_labels`)."""
    assert not set(metric.labels) & SET_BY_A_SCRAPE
    assert not [label for label in metric.labels if label.startswith(("__", "exported_"))]


def test_a_counter_whose_growth_is_asked_for_is_there_before_it_grows() -> None:
    """`increase` of a series that begins with 1 is 0: the first time would be told to nobody."""
    counted = measures.snapshot()
    asked = {
        (name, selector)
        for rule in rules()
        for name, selector in re.findall(r"increase\((tillgate_\w+)(?:\{([^}]*)\})?", rule["expr"])
    }
    assert asked
    for name, selector in asked:
        labels = next(one.labels for one in measures.declared() if one.exposed == name)
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', selector))
        series = [dict(zip(labels, json.loads(one), strict=True)) for one in counted.get(name, {})]
        assert [one for one in series if wanted.items() <= one.items()], f"{name} {wanted}"


def test_jobs_that_a_rule_names_exist() -> None:
    named = re.search(
        r'periodic_job=~"([^"]+)"', next(r["expr"] for r in rules() if r["alert"] == "TillgateJobNotDone")
    )
    assert named is not None
    sources = "".join(
        text(path)
        for path in (
            "runtime/worker/scheduler.py",
            "governance/services/periodic_jobs.py",
            "catalog/services/periodic_jobs.py",
        )
    )
    assert {job for job in named[1].split("|") if f'("{job}", ' not in sources} == set()


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


def burning(kind: str) -> set[tuple[float, str, str]]:
    """Factor, long and short window of the rules about flows or vendors."""
    pattern = (
        rf'tillgate_{kind}_service_level_burn_rate\{{window="(\w+)"\}} > ([\d.]+) and ignoring\(window\) '
        rf'tillgate_{kind}_service_level_burn_rate\{{window="(\w+)"\}} > ([\d.]+)'
    )
    found = [match for rule in rules() if (match := re.fullmatch(pattern, rule["expr"]))]
    assert all(one[2] == one[4] for one in found)
    return {(float(one[2]), one[1], one[3]) for one in found}


def test_burn_rates_of_prometheus_are_those_of_the_product() -> None:
    usual = {
        (factor, service_level_measures.WINDOWS[str(long)], service_level_measures.WINDOWS[str(short)])
        for factor, long, short in standings.USUAL
    }
    assert burning("flow") == burning("vendor") == usual


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text("deploy/grafana/tillgate-service-levels.json"))
    return made


def test_the_dashboard_asks_for_metrics_and_labels_that_exist() -> None:
    metrics_known = known()
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    queries += [one["query"]["query"] for one in dashboard()["templating"]["list"] if one["type"] == "query"]
    for query in queries:
        asked = re.findall(r"(tillgate_\w+)(?:\{([^}]*)\})?", query)
        assert asked, query
        for name, selector in asked:
            assert name in metrics_known, name
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= metrics_known[name] | ADDED_BY_PROMETHEUS, query


def test_the_dashboard_has_what_grafana_needs_to_import_it() -> None:
    made, panels = dashboard(), dashboard()["panels"]
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= set(made)
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {one["name"] for one in made["templating"]["list"]}
    assert {name for name in re.findall(r"\$\{?(\w+)", json.dumps(made)) if not name.startswith("__")} <= variables
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert {"type", "title", "datasource", "gridPos", "targets", "fieldConfig"} <= set(panel)
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on this machine")
def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    read = [{"record": f"read:{n}", "expr": one.replace("$environment", "x")} for n, one in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": read}]}))
    said = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(queries)} rules found" in said.stdout


def test_the_dashboard_keeps_to_what_grafana_takes() -> None:
    """The rules of its schema of dashboards (`kinds/dashboard`, version 39) that a file can break."""
    made = dashboard()
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", made["uid"])
    assert "id" not in made, "Grafana gives the number"
    assert made["timezone"] in ("utc", "browser", "")
    assert re.fullmatch(r"[0-9]+[smhd]", made["refresh"])
    assert set(made["time"]) == {"from", "to"}
    assert made["schemaVersion"] >= 36, "older ones are migrated by the browser"
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in made["panels"]:
        assert panel["type"] in ("stat", "bargauge", "timeseries", "gauge", "table", "text", "row")
        assert set(panel["fieldConfig"]) == {"defaults", "overrides"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert all(isinstance(place, int) and place >= 0 for place in panel["gridPos"].values())
        assert [one["datasource"] for one in (panel, *panel["targets"])] == [source] * (1 + len(panel["targets"]))
    for one in made["templating"]["list"]:
        assert one["type"] in ("query", "datasource", "custom", "interval", "constant", "textbox", "adhoc")
        assert re.fullmatch(r"\w+", one["name"])


def test_a_legend_names_labels_that_its_query_leaves() -> None:
    metrics_known = known()
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
            kept = re.search(r"\bby \(([\w, ]+)\)", target["expr"])
            asked = re.findall(r"tillgate_\w+", target["expr"])
            left = set(kept[1].split(", ")) if kept else set().union(*(metrics_known[name] for name in asked))
            assert named <= left | ADDED_BY_PROMETHEUS, (panel["title"], named - left)
