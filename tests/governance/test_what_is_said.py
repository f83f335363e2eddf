"""A yes of the gate rests on what somebody said: a misspelt key, a word left out, a row nobody computed are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from governance.models import ApplicationRelease, Verdict
from tests.governance.forging import as_serving
from tests.governance.raw_sql import run
from tests.governance.test_gate_records import estate, post, robot
from tests.governance.test_statements import OURS, private

pytestmark = pytest.mark.django_db
__all__ = ["estate"]
TILL = {"application": "till", "environment": "production"}


def recorder() -> Client:
    return robot("robot", "record:write", "gate:ask")


def said(path: str, body: dict[str, Any], status: int = 201) -> Any:
    answer = post(path, body, recorder())
    assert answer.status_code == status, answer.content
    return answer.json()


def live(**limits: str) -> list[str]:
    rows = ApplicationRelease.objects.filter(application="till", ended_at=None, **limits)
    return sorted(rows.values_list("instance", flat=True))


@pytest.mark.parametrize("key", ["Instance", "instanz", "store", "zzz"])
def test_a_misspelt_key_ends_no_support_and_no_record(key: str) -> None:
    for instance in ("", "a", "b"):
        said("releases", TILL | {"version": "5", "instance": instance, "consumes": []})
    answer = said("releases/end", TILL | {"version": "5", key: "a"}, 422)
    assert [(one["pointer"], one["message"]) for one in answer["findings"]] == [(f"/{key}", "unknown key")]
    answer = said("undeploy", TILL | {key: "a"}, 422)
    assert answer["findings"][0]["pointer"] == f"/{key}"
    assert live() == ["", "a", "b"]
    assert said("releases/end", TILL | {"version": "5", "instance": "a"}, 200)["ended"] == 1
    assert live() == ["", "b"]


@pytest.mark.parametrize("unsaid", [{}, {"consumes": None}])
def test_who_does_not_say_what_a_version_consumes_goes_on_to_consume_what_the_one_before_did(
    unsaid: dict[str, Any],
) -> None:
    said("deployments", TILL | {"version": "1", "consumes": ["price-api@v2"]})
    made = said("deployments", TILL | {"version": "2", **unsaid})
    assert made["consumes"] == ["price-api@v2"]
    again = said("deployments", TILL | {"version": "2", **unsaid})
    assert again["id"] == made["id"], "said again, it is the same record"
    assert said("deployments", TILL | {"version": "3", "consumes": []})["consumes"] == [], "nothing is a word, too"


def test_where_nothing_ran_before_nothing_is_made_up() -> None:
    assert said("deployments", TILL | {"version": "1"})["consumes"] == []


def test_an_allow_that_somebody_wrote_into_the_table_is_not_signed(settings: Any) -> None:
    settings.STATEMENT_KEYS, settings.PUBLIC_URL = private(OURS), "https://tillgate.example"
    client = robot("robot", "gate:ask", "governance:read")
    asked = TILL | {"version": "1", "consumes": ["price-api@v1"], "provides": []}
    answer = post("verdicts", asked, client)
    given = Verdict.objects.get(pk=int(answer.headers["Verdict-Id"]))
    assert given.word == "deny"
    forged = json.loads(given.answer) | {"verdict": "allow", "reasons": [], "flip": []}
    with as_serving():
        number = run(
            "insert into governance_verdict (as_of, word, application, version, environment, codes, question, evidence,"
            " answer, input_digest, policy_digest, engine, asked_by_id, names) select now(), 'allow', application,"
            " version, environment, '{}', question, evidence, %s, input_digest, policy_digest, engine, asked_by_id,"
            " names from governance_verdict where id = %s returning id",
            *(json.dumps(forged), given.pk),
        )[0][0]
    signed = client.get(f"/api/v1/gate/verdicts/{number}/statement?audience=argo")
    assert (signed.status_code, signed.json()["code"]) == (409, "statement.not_standing"), signed.content


# -- by plain SQL of the serving role ----------------------------------------------------------------------------------
ROW = """
insert into governance_applicationrelease (application, version, environment, instance, mode, consumes, provides,
  provided_apis, integrations)
values ('till', '9', 'production', '', 'deployed', '{}', '{price-api@v2}', '{price-api}', '{}')"""
ENTRY = "select kernel_record(null, 'x', %s, 'application', %s, null, %s, '', '')"
HERE = {"environment": "production", "instance": ""}
WRONG = {
    "another environment": ("governance.application_deployed", "till@9", HERE | {"environment": "test"}),
    "another instance": ("governance.application_deployed", "till@9", HERE | {"instance": "a"}),
    "no place": ("governance.application_deployed", "till@9", {}),
    "another version": ("governance.application_deployed", "till@8", HERE),
    "another step": ("governance.application_undeployed", "till@9", HERE),
    "another way of running": ("governance.application_released", "till@9", HERE),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_record_whose_entry_says_something_else_is_none(what: str) -> None:
    verb, subject, after = WRONG[what]
    with refused("release_record_is_on_record"):
        run(ENTRY, verb, subject, json.dumps(after))
        run(ROW)
    with as_serving():
        run(ENTRY, "governance.application_deployed", "till@9", json.dumps(HERE))
        run(ROW)
    assert live() == [""]


def test_one_entry_ends_no_other_record() -> None:
    for instance in ("a", "b"):
        said("releases", TILL | {"version": "5", "instance": instance, "consumes": []})
    with refused("release_record_is_on_record"):
        run(ENTRY, "governance.release_ended", "till@5", json.dumps(HERE | {"instance": "a"}))
        run("update governance_applicationrelease set ended_at = now(), ended_how = 'support'")
    assert live() == ["a", "b"]


MARKS = {
    "against the gate": "against_gate = not against_gate",
    "the verdict": "verdict_id = null",
    "who recorded it": "recorded_by_id = null",
    "who ended it": "ended_by_id = null",
    "how it ended": "ended_how = 'replaced'",
}


@pytest.mark.parametrize("what", MARKS)
def test_what_a_record_says_of_the_gate_and_of_its_end_is_never_rewritten(what: str) -> None:
    post("verdicts", TILL | {"version": "1", "consumes": ["price-api@v1"]}, recorder())
    said("deployments", TILL | {"version": "1", "consumes": ["price-api@v1"]})
    said("undeploy", TILL, 200)
    kept = list(ApplicationRelease.objects.values())
    assert kept[0]["verdict_id"]
    with refused("release_content_stays"):
        run(f"update governance_applicationrelease set {MARKS[what]}")


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), as_serving():
        yield
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)
