"""What Prometheus gets: by a token of its own, in its own format, and the same figures as the pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict_families
from prometheus_client.parser import text_string_to_metric_families as families

from kernel import measures, process_measures, tokens
from kernel.models import ApiToken, ProcessMetrics
from kernel.viewer import SYSTEM
from portal import metric_groups, metric_list
from runtime.ledger import measures as ledger_measures
from runtime.selectors import flows, infrastructure, vendors
from tests.architecture.tree import text, tracked
from tests.portal import make
from tests.runtime import scene

pytestmark = pytest.mark.django_db
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
Scrape = Callable[..., dict[tuple[str, tuple[tuple[str, str], ...]], float]]


@pytest.fixture(autouse=True)
def fresh(db: None) -> Iterator[None]:
    """Nothing is kept from another test's database."""
    ProcessMetrics.objects.all().delete()
    for group in metric_groups.GROUPS:
        group.forget()
    yield
    for group in metric_groups.GROUPS:
        group.forget()


def token_of(user: Any, *scopes: str) -> dict[str, str]:
    _, secret = tokens.issue(actor=user, user=user, name="prometheus", scopes=scopes or ["metrics:read"])
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def scrape(client: Any) -> Scrape:
    """Samples by name and labels, as an account sees them."""

    def ask(user: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        answer = client.get("/metrics", headers=token_of(user))
        assert answer.status_code == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(answer.text)
            for sample in family.samples
        }

    return ask


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[f"tillgate_{name}", tuple(sorted(labels.items()))]


def test_a_scraper_with_a_token_of_its_own_scope_gets_metrics_of_the_product(client):
    answer = client.get("/metrics", headers=token_of(make.service("prometheus")))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert "tillgate_database_size_bytes" in answer.text


@pytest.mark.parametrize(
    ("scheme", "status"), [("", 401), ("Bearer tg_none", 401), ("Basic YTpi", 401), ("Bearer", 401)]
)
def test_without_a_valid_token_the_scraper_is_told_so_and_is_not_sent_to_a_page(client, scheme, status):
    answer = client.get("/metrics", headers={"Authorization": scheme} if scheme else {})
    assert answer.status_code == status
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "metrics.token"


def test_another_scope_is_not_enough(client):
    answer = client.get("/metrics", headers=token_of(make.person("ann"), "runtime:read"))
    assert answer.status_code == 403
    assert "metrics:read" in answer.json()["detail"]


def test_a_signed_in_person_may_look(client):
    client.force_login(make.person("ann"))
    assert "tillgate_outbox_waiting_events" in client.get("/metrics").text


def test_both_formats_are_valid_for_the_official_parsers(client):
    day = scene.day()
    headers = token_of(day.people.rita)
    plain = client.get("/metrics", headers=headers).text
    assert len(list(families(plain))) > 30
    strict = client.get("/metrics", headers={**headers, "Accept": OPEN_METRICS})
    assert strict.headers["Content-Type"].startswith("application/openmetrics-text")
    names = [family.name for family in strict_families(strict.text)]
    assert names == sorted(set(names))


def test_names_follow_the_conventions_of_prometheus():
    """Prefix, base units, `_total` on counters alone, a sentence as help, labels in snake case."""
    for one in measures.declared():
        assert re.fullmatch(r"tillgate_[a-z]+(_[a-z]+)*", one.name), one.name
        assert not one.name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_minutes", "_percent")), one.name
        assert one.help[0].isupper(), one.name
        assert one.help.endswith("."), one.name
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in one.labels), one.name
        if one.kind == "histogram":
            assert one.name.endswith(("_seconds", "_messages", "_bytes")), one.name


def test_metrics_and_pages_agree(client, scrape: Scrape):
    day = scene.day()
    samples = scrape(day.people.rita)
    shown = flows.today(SYSTEM, "production")
    assert len(shown) == 3
    for flow in shown:
        place = {"environment": "production", "integration": flow.integration, "target": flow.target}
        assert value(samples, "flow_waiting_messages", **place) == flow.backlog.waiting
        assert value(samples, "flow_quarantined_messages", **place, state="dead") == flow.backlog.dead
        assert value(samples, "flow_quarantined_messages", **place, state="unknown") == flow.backlog.unknown
        assert value(samples, "flow_quarantined_messages", **place, state="retry") == flow.backlog.retrying
        assert value(samples, "flow_delivered_today_messages", **place) == flow.delivered
        assert value(samples, "flow_instances", **place) == len(flow.instances)
        assert value(samples, "flow_behind_instances", **place) == flow.instances_behind
        assert value(samples, "flow_late", **place) == int(flow.late)
        assert value(samples, "flow_oldest_waiting_age_seconds", **place) == pytest.approx(
            flow.lag.total_seconds(), abs=5
        )
    sales = {"environment": "production", "integration": "sales"}
    assert value(samples, "integration_not_stored_messages", **sales) == 2
    assert value(samples, "integration_logged_messages_total", **sales) == 100
    held = {"environment": "production", "integration": "sales", "target": "journal", "state": "dead"}
    assert value(samples, "flow_dead_letters", **held, reason_class="refused") == 3
    open_ones = [one for one in vendors.listed(SYSTEM, "production") if one.breaker == "open"]
    at = {"environment": "production", "system": "pos"}
    assert value(samples, "vendor_instances", **at, circuit_breaker="open") == len(open_ones) == 1
    budget = next(one for one in vendors.listed(SYSTEM, "production") if one.system_key == "s4")
    assert value(samples, "vendor_spent_messages", environment="production", system="s4") == budget.spent
    states = [worker.state for worker in infrastructure.workers()]
    assert value(samples, "workers", kind="worker", state="silent") == states.count("silent") == 1
    assert value(samples, "workers", kind="worker", state="alive") == states.count("alive") == 2


def test_a_token_shows_the_integrations_that_its_account_may_see(client, scrape: Scrape):
    day = scene.day()
    seen = {dict(labels).get("integration") for _, labels in scrape(day.people.petra)}
    assert seen == {None, "prices"}
    systems = {dict(labels).get("system") for _, labels in scrape(day.people.petra)}
    assert systems == {None, "pos"}
    assert {dict(labels).get("integration") for _, labels in scrape(day.people.zoe)} == {None}


def test_no_label_names_a_store_or_a_key(scrape: Scrape):
    """Six stores or six thousand: the number of series stays."""
    day = scene.day()
    labels = {value for _, pairs in scrape(day.people.rita) for _, value in pairs}
    assert not labels & {"0101", "0102", "0103", "0187", "0206", "0590"}
    assert not [one for one in labels if one.startswith("0187-07")]


def test_what_ended_processes_counted_stays_and_what_living_ones_have_adds_up(scrape: Scrape, client):
    rita = make.person("rita", is_superuser=True)

    def row(process: str, count: float, **more: float) -> dict[str, Any]:
        labels = '["GET", "health/live", "200"]'
        return {
            "process": process,
            "counted": {
                "tillgate_http_requests_total": {labels: count},
                "tillgate_processes": {'["web"]': 1.0},
                "tillgate_unheard_of_total": {"[]": 1.0},
            },
        }

    asked = {"method": "GET", "route": "health/live", "status": "200"}
    before = scrape(rita).get(("tillgate_http_requests_total", tuple(sorted(asked.items()))), 0.0)
    for name, count in (("web-1", 3.0), ("web-2", 4.0)):
        ProcessMetrics.objects.create(**row(name, count))
    samples = scrape(rita)
    assert value(samples, "http_requests_total", **asked) == before + 7
    assert value(samples, "processes", role="web") == 2
    ProcessMetrics.objects.filter(process="web-1").update(beat_at="2026-01-01T00:00:00Z")
    assert process_measures.fold_ended() == 1
    assert process_measures.fold_ended() == 0
    samples = scrape(rita)
    assert value(samples, "http_requests_total", **asked) == before + 7
    assert value(samples, "processes", role="web") == 1


def test_a_process_that_was_taken_for_ended_is_not_counted_twice(scrape: Scrape):
    counted = ledger_measures.TAKEOVERS

    def execute(statement: str, values: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return int(cursor.rowcount)

    report = process_measures.ProcessReport("web")
    before = report.snapshot()["tillgate_lease_takeovers_total"]["[]"]
    counted.inc(5)
    report.write(execute, now=True)
    ProcessMetrics.objects.update(beat_at="2026-01-01T00:00:00Z")
    process_measures.fold_ended()
    counted.inc(2)
    report.write(execute, now=True)
    rows = ProcessMetrics.objects.exclude(process=report.name)
    stored = sum(one.counted["tillgate_lease_takeovers_total"]["[]"] for one in ProcessMetrics.objects.all())
    assert (rows.count(), stored - before) == (1, 7)


def test_many_scrapes_read_the_database_once(scrape: Scrape, django_assert_max_num_queries):
    day = scene.day()
    scrape(day.people.rita)
    headers = token_of(day.people.rita)
    with django_assert_max_num_queries(4):  # the token, what the account may see (2), what processes have counted
        assert Client().get("/metrics", headers=headers).status_code == 200


def test_a_group_that_cannot_be_read_is_left_out_and_says_so(scrape: Scrape, monkeypatch):
    def slow() -> Iterator[Any]:
        with connection.cursor() as cursor:
            cursor.execute("select 1 / 0")
        yield from ()

    monkeypatch.setattr(metric_groups.GROUPS[0], "read", slow)
    samples = scrape(make.person("rita", is_superuser=True))
    assert value(samples, "scrape_group_success", group="flows") == 0
    assert value(samples, "scrape_group_success", group="vendors") == 1
    assert not [name for name, _ in samples if name.startswith("tillgate_flow_")]


def test_a_token_is_made_from_the_command_line(client, capsys):
    make.team("release-managers", kind="role")
    call_command(
        "api_token", "prometheus", "--make-in-team", "release-managers", "--scope", "metrics:read", "--days", "366"
    )
    secret = capsys.readouterr().out.strip()
    assert client.get("/metrics", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    made = ApiToken.objects.get()
    assert (made.user.kind, made.scopes, secret in made.token_hash) == ("service", ["metrics:read"], False)


def test_what_workers_count_is_known_to_the_process_that_is_scraped():
    """A counter whose module the web process never loads would be missing from every scrape."""
    names = {
        f"tillgate_{name}"
        for path in tracked("*.py")
        if path.split("/")[0] in ("kernel", "catalog", "governance", "runtime", "portal")
        for name in re.findall(r"\b(?:measures\.)?(?:counter|gauge|histogram|reading)\(\s*\"([a-z_]+)\"", text(path))
    }
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SECRET_KEY": "x"},
    )
    assert names == set(loaded.stdout.split())


LOADED = """
import django, os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from kernel import measures
from portal import metrics
print(*(one.name for one in measures.declared()))
"""


def test_the_page_of_metrics_is_current():
    """Otherwise: `make drawings`."""
    assert text("docs/reference/metrics.md") == metric_list.page()
