"""What a change of a destination asks for follows from the flows over it: its tier, domain and people. Who may not see
one of those flows reads it only with a part in it, and is told the words for what does not exist."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from catalog.models import Environment, System, SystemEndpoint
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import changes
from runtime.models import Release
from runtime.services import destination_kind
from tests.governance.make import person, team
from tests.runtime.test_destination_changes import NOBODY, moved, people, proposed
from tests.runtime.test_destinations import release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["people", "release"]
PAGES = ("", "differences/", "checks/", "checks/list/", "impact/", "evidence/")


def client(name: str, *teams: str) -> Client:
    made = Client()
    made.force_login(person(name, *teams))
    return made


def answers(who: Client, number: int) -> list[int]:
    pages = [f"/changes/{number}/{tab}" for tab in PAGES]
    pages += [f"/api/v1/changes/{number}{part}" for part in ("", "/checks", "/slots", "/events", "/differences")]
    return [who.get(page).status_code for page in pages]


def listed(who: Client) -> list[int]:
    answer = who.get("/api/v1/changes")
    found: Any = answer.json()
    return [one["id"] for one in found["results"]]


def test_an_outsider_reads_no_change_of_a_destination_over_which_a_hidden_flow_runs(release: Release):
    change = proposed()
    outsider = client("zoe", "stores")
    assert set(answers(outsider, change.pk)) == {404}
    assert answers(outsider, change.pk) == answers(outsider, change.pk + 1000)
    assert listed(outsider) == []
    said = [outsider.get(f"/api/v1/changes/{number}").json()["detail"] for number in (change.pk, change.pk + 1000)]
    assert said[0].replace(str(change.pk), "N") == said[1].replace(str(change.pk + 1000), "N")


@pytest.mark.parametrize(("name", "of"), [("ada", "order-team"), ("sue", "security"), ("archie", "architects")])
def test_author_owner_and_those_who_decide_read_it(release: Release, name: str, of: str):
    change = proposed()
    assert set(answers(client(name, of), change.pk)) == {200}


def test_the_approval_of_such_a_move_is_hidden_as_the_change_is(release: Release):
    moved()
    rows = client("zoe", "stores").get("/api/v1/approvals").json()["results"]
    assert [one for one in rows if one["subject_kind"] == "destination"] == []


def test_where_no_flow_runs_everybody_reads_it(release: Release):
    quiet = System.objects.create(key="quiet", name="Quiet", owner_team=team("order-team"))
    SystemEndpoint.objects.create(
        system=quiet, environment=Environment.objects.get(key="production"), base_url="http://127.0.0.1:9"
    )
    change: ChangeRequest = changes.open_change(
        author=person("ada"),
        kind=destination_kind.KEY,
        subjects=[Subject("destination", "quiet/production", NOBODY)],
        environment="production",
        title="Quiet moves",
        justification="It moves.",
        parameters={"base_url": "http://127.0.0.1:9998"},
    )
    assert client("zoe", "stores").get(f"/changes/{change.pk}/").status_code == 200
