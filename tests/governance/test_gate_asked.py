"""What is recorded is held against what the gate said about exactly that: no other question hides a no."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from governance.models import ApplicationRelease
from governance.services import release_records
from kernel import clock
from kernel.models import AuditEntry
from tests.catalog import make as catalog
from tests.governance.test_gate_no_evidence import estate, post, question, record, robot

pytestmark = pytest.mark.django_db
__all__ = ["estate"]  # the fixture builds it for each test
REFUSED = {"consumes": ["price-api@v1"]}
FINE: dict[str, Any] = {"consumes": ["price-api@v2"]}


@pytest.fixture
def till() -> Client:
    record(application="price-service", provides=["price-api@v2"])
    record()
    return robot("robot", "record:write", "gate:ask")


def says(client: Client, **more: Any) -> str:
    return str(post("verdicts", question(**more), client)["verdict"])


def recorded(client: Client, path: str = "deployments", **more: Any) -> dict[str, Any]:
    return post(path, question(**more), client)


def of_a_smaller_release(till: Client) -> None:
    assert says(till, **FINE) == "allow"


def of_another_instance(till: Client) -> None:
    assert says(till, instance="s2", **FINE) == "allow"


def of_another_team(till: Client) -> None:
    assert says(robot("lea"), **FINE) == "allow"


def of_many_what_ifs(till: Client) -> None:
    later = (clock.now() + timedelta(days=30)).isoformat()
    for _ in range(51):
        says(till, as_of=later, **FINE)


@pytest.mark.parametrize("hide", [of_a_smaller_release, of_another_instance, of_another_team, of_many_what_ifs])
@pytest.mark.parametrize("path", ["deployments", "releases"])
def test_no_answer_to_another_question_hides_a_deny(till: Client, hide: Callable[[Client], None], path: str):
    assert says(till, **REFUSED) == "deny"
    hide(till)
    assert recorded(till, path, instance="s1" if hide is of_another_instance else "", **REFUSED)["against_gate"] is True


def test_what_the_gate_was_never_asked_about_is_told(till: Client):
    made = recorded(till, **FINE)
    assert (made["verdict"], made["against_gate"]) == (None, False)
    assert AuditEntry.objects.filter(verb="governance.deployed_unasked").exists()
    release_records.tell_unasked({"topic": "x", "id": 1, "payload": {"record": made["id"]}})
    said = catalog.shown(catalog.client("stan").get("/inbox/"))
    assert "the gate was not asked about this: till 7" in said


def test_an_answer_about_less_than_what_is_recorded_is_none(till: Client):
    assert says(till, **FINE) == "allow"
    made = recorded(till, consumes=["price-api@v2", "price-api@v3"])
    assert (made["verdict"], made["against_gate"]) == (None, False)


def test_a_release_may_be_recorded_with_other_things_after_a_no_and_is_against_it(till: Client):
    assert says(till, **REFUSED) == "deny"
    assert recorded(till, **FINE)["against_gate"] is True


def test_what_was_allowed_since_is_not_against_the_gate_wherever_it_was_asked(till: Client):
    assert says(till, **FINE) == "allow"
    for instance in ("", "s1"):
        made = recorded(till, instance=instance, **FINE)
        assert made["against_gate"] is False
        assert ApplicationRelease.objects.select_related("verdict").get(pk=made["id"]).verdict.word == "allow"
    assert not AuditEntry.objects.filter(verb="governance.deployed_unasked").exists()
