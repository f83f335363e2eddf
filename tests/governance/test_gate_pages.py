"""The gate on pages: matrix, answers about an application, one answer, what was only reported."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Application
from governance.models import Verdict
from governance.services import policies, release_records, verdicts
from kernel.viewer import SYSTEM, Viewer
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)


def ask(asker: str = "", **more: object) -> int:
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
    viewer = Viewer.of(catalog.person(asker)) if asker else SYSTEM
    return verdicts.ask(question | more, viewer=viewer).id


def seen(client: Client, name: str, *arguments: object, query: str = "", status: int = 200) -> str:
    response = client.get(reverse(f"governance:{name}", args=arguments) + query)
    assert response.status_code == status, response.content.decode()[:1500]
    return catalog.shown(response)


def test_the_matrix_has_the_newest_answer_of_each_environment_and_what_runs_there():
    ask(consumes=["price-api@v1"])
    ask("stan")
    release = {"application": "till", "version": "7.0", "environment": "production", "consumes": ["price-api@v2"]}
    for store in ("s1", "s2"):
        release_records.record_deployment(release | {"instance": store}, viewer=SYSTEM)
    html = seen(catalog.client("stan"), "gate")
    newest = Verdict.objects.latest("id")
    assert f"/gate/verdicts/{newest.pk}/" in html
    assert "runs 7.0 on 2" in html
    assert "not asked" in html


def test_pages_of_the_gate_name_applications_and_environments_and_not_only_their_keys():
    release = {"application": "till", "version": "7.0", "environment": "production", "consumes": ["price-api@v2"]}
    release_records.record_deployment(release, viewer=SYSTEM)
    till = Application.objects.get(key="till")
    till.name = "Till of the store"
    till.save()
    html = seen(catalog.client("stan"), "deployments")
    assert re.search(
        r'<a href="/gate/applications/till/">Till of the store</a> <span class="sub mono">till</span>', html
    )
    assert '<footer class="panel-foot"> </footer>' not in html  # nothing to leaf through: no empty bar
    assert 'data-label="Production"' in seen(catalog.client("stan"), "gate")


def test_answers_about_the_application_of_another_team_are_not_shown():
    number = ask()
    html = seen(catalog.client("lea"), "gate")
    assert f"/gate/verdicts/{number}/" not in html
    assert f"/gate/verdicts/{number}/" not in seen(catalog.client("lea"), "gate-application", "till")
    hidden = catalog.client("lea").get(reverse("governance:verdict", args=[number]))
    missing = catalog.client("lea").get(reverse("governance:verdict", args=[number + 1000]))
    assert (hidden.status_code, missing.status_code) == (404, 404)
    words = [re.sub(r"verdict \d+|[0-9a-f]{32}", "verdict N", catalog.shown(page)) for page in (hidden, missing)]
    assert "There is no verdict N" in words[0]
    assert words[0] == words[1]


def test_an_answer_says_why_what_would_change_it_and_what_it_was_made_from():
    number = ask("stan", consumes=["price-api@v1"])
    html = seen(catalog.client("stan"), "verdict", number)
    assert "price-api@v1 is retired" in html
    assert "version.retired" in html
    assert "To change this" in html
    assert "subscription" in html.partition("What the answer was made from")[2]


def test_it_is_computed_again_and_every_byte_is_the_same():
    number = ask("stan")
    answer = catalog.client("stan").post(reverse("governance:verdict", args=[number]))
    assert "Every byte is the same" in catalog.shown(answer)


def test_what_only_reports_is_listed_as_what_would_have_been_stopped():
    row = Verdict.objects.get(pk=ask("stan", consumes=["nobody@v9"]))
    assert "Would have been stopped" not in seen(catalog.client("stan"), "gate")
    reported = json.loads(row.answer) | {"enforcing": False}
    fields = ("application", "version", "environment", "question", "evidence", "input_digest", "engine", "as_of")
    kept = {name: getattr(row, name) for name in fields}
    made = Verdict.objects.create(word="unknown", codes=["version.unknown"], answer=json.dumps(reported), **kept)
    html = seen(catalog.client("stan"), "gate")
    assert "Would have been stopped" in html
    assert f"/gate/verdicts/{made.pk}/" in html.partition("Would have been stopped")[2]
    assert "Unknown, reported only" in html
    told = html.partition("Would have been stopped")[2]
    assert f"Till programme {made.version}</a>" in told, "by its name"
    assert "to Production," in told
    assert "nobody@v9 is not in the catalog." in told
    assert "version.unknown" not in told, "words for people, no code"
    assert "Would have been stopped" not in seen(catalog.client("lea"), "gate")


def test_until_when_a_waiver_or_a_break_glass_carries_it_is_written_for_people():
    row = Verdict.objects.get(pk=ask("stan"))
    ends = "2026-12-24T09:18:34.871285+00:00"
    waiver = {"id": 4, "rule": "version.past_sunset", "subject": "price-api@v2", "expires_at": ends}
    said = {"reason": "Tills stand.", "opened_by": "Ivy", "confirmed_by": "Rita", "review": "owed", "ends_at": ends}
    carried = json.loads(row.answer) | {"waivers": [waiver], "break_glass": [{"id": 7, "subject": "sales", **said}]}
    fields = (
        "application",
        "version",
        "environment",
        "question",
        "evidence",
        "input_digest",
        "engine",
        "as_of",
        "word",
    )
    kept = {name: getattr(row, name) for name in fields} | {"asked_by": row.asked_by}
    made = Verdict.objects.create(answer=json.dumps(carried), **kept)
    html = seen(catalog.client("stan"), "verdict", made.pk)
    assert html.count(">Thu 24 Dec") == 2
    assert "34.871285" not in html


def test_answers_are_read_on_by_number():
    numbers = [ask("stan", version=f"7.{n}") for n in range(33)]
    html = seen(catalog.client("stan"), "gate-application", "till")
    assert f"/gate/verdicts/{numbers[-1]}/" in html
    assert f"/gate/verdicts/{numbers[0]}/" not in html
    older = seen(catalog.client("stan"), "gate-application", "till", query=f"?before={numbers[3]}")
    assert f"/gate/verdicts/{numbers[0]}/" in older
    assert "Older answers" not in older


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=-1", "?before=99999999999999999999", "?environment=%01", "?q=%01"]
)
def test_odd_queries_are_no_error(query: str):
    ask("stan")
    seen(catalog.client("stan"), "gate", query=query)
    seen(catalog.client("stan"), "gate-application", "till", query=query)


def test_an_unknown_application_is_not_found():
    seen(catalog.client("stan"), "gate-application", "nobody", status=404)


@pytest.mark.parametrize("name", ["My shop / 2", "käse", "a" * 200, "<b>x</b>"])
def test_an_answer_about_a_name_that_is_no_key_has_its_page(name: str):
    html = seen(catalog.client("stan"), "verdict", ask("stan", application=name))
    assert "<b>x</b>" not in html
    assert "is not in the catalog" in html or "evidence.missing" in html or "application.unknown" in html
