"""A version ends, from its deprecation to its retirement, and everybody who takes part uses the REST API alone.

Witnesses: the mails that were sent, what the gate answers a pipeline, and what the middleware of the provider reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from governance.services import policies
from kernel import clock, outbox, tokens
from kernel.models import User
from tests.catalog import make as catalog
from tests.governance.gate_estate import beneath
from tests.governance.test_catalog_changes import POLICY
from tillgate.deprecation import ending

pytestmark = pytest.mark.django_db
OLD, NEXT = "price-api@v2", "price-api@v3"
BROWN_OUTS = "apis/price-api/versions/v2/brown-outs"
Calling = Callable[..., Any]


@pytest.fixture
def call() -> Calling:
    """`call("stan", "POST", "changes", {…})`: a person in a session of their own; the body of the answer, whose status
    is the one that is expected. What happens by itself has happened when it returns."""
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")
    User.objects.filter(username="stan").update(email="stan@example.com")
    people: dict[str, Client] = {}

    def called(who: str, method: str, path: str, body: object = None, status: int = 200, **headers: str) -> Any:
        person = people.setdefault(who, catalog.client(who))
        sent = json.dumps(body) if body is not None else ""
        answer = person.generic(method, f"/api/v1/{path}", sent, content_type="application/json", headers=headers)
        assert answer.status_code == status, (path, answer.content)
        while outbox.dispatch():
            pass
        return answer.json() if answer.content else None

    return called


def gate() -> tuple[str, list[str], list[str]]:
    """The answer about the release of the tills: word, reasons, warnings about the version."""
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask"])
    question = {"application": "till", "version": "7.1", "environment": "production", "consumes": [OLD]}
    answer = (
        Client(headers={"Authorization": f"Bearer {secret}"})
        .post("/api/v1/gate/verdicts", json.dumps(question), content_type="application/json")
        .json()
    )
    return (
        answer["verdict"],
        [r["code"] for r in answer["reasons"]],
        [w["code"] for w in answer["warnings"] if w["code"].startswith("version.")],
    )


def mails_to_stan(about: str) -> int:
    return sum(about in f"{one.subject} {one.body}" for one in mail.outbox if one.to == ["stan@example.com"])


def proposed(call: Calling, kind: str, **parameters: object) -> int:
    """A change about the version, opened and submitted by its owner."""
    version = call("piet", "GET", "apis/price-api/versions/v2")
    body = {
        "kind": kind,
        "subjects": [{"kind": "version", "id": OLD, "digest": version["contract_digest"]}],
        "environment": "production",
        "title": kind,
        "justification": "v3 has tenders.",
        "rollback_plan": "The previous state is put back by a change.",
        "planned_from": clock.now().isoformat(),
        "planned_until": (clock.now() + timedelta(days=3)).isoformat(),
        "parameters": parameters,
    }
    made = call("piet", "POST", "changes", body, status=201)
    call("piet", "POST", f"changes/{made['id']}/submit")
    return int(made["id"])


def decided(call: Calling, change: int) -> str:
    """Approved by the owner's team and an architect, then carried out; the state that it ends in."""
    for who in ("paula", "ada"):
        shown = call(who, "GET", f"changes/{change}")
        seen = {name: shown[name] for name in ("subject_digest", "diff_digest", "impact_digest", "policy_digest")}
        call(who, "POST", f"changes/{change}/decisions", {"outcome": "approve", **seen}, status=201)
    if call("piet", "GET", f"changes/{change}")["state"] != "applied":
        call("piet", "POST", f"changes/{change}/apply")
    return str(call("piet", "GET", f"changes/{change}")["state"])


def use_of(call: Calling, who: str = "piet") -> dict[str, Any]:
    """The line of the tills on the board of what ends."""
    (version,) = (one for one in call(who, "GET", "deprecations?api=price-api") if one["version"] == OLD)
    found: dict[str, Any] = next(one for one in version["consumers"] if one["application"] == "till")
    return found


def test_from_deprecation_to_retirement(call: Calling) -> None:
    assert gate() == ("allow", [], [])
    sunset = (clock.now() + timedelta(days=400)).replace(microsecond=0)
    guide = "https://example.com/prices/v3"
    change = proposed(call, "version.deprecate", sunset_at=sunset.isoformat(), successor=NEXT, guide=guide)
    assert decided(call, change) == "applied"
    assert gate() == ("allow", [], ["version.deprecated"])

    assert mails_to_stan(OLD) == 1, "the consumer's team was told"
    assert (use_of(call)["answer"], use_of(call)["told_at"] is not None) == ("none", True)

    number = use_of(call)["subscription"]
    _, tag = plan_of(call, number)
    late = {"moves_to": "v3", "moves_on": f"{sunset + timedelta(days=9):%Y-%m-%d}"}
    call("stan", "PUT", f"subscriptions/{number}/move", late, status=422, **{"If-Match": tag})
    promise = {"moves_to": "v3", "moves_on": f"{sunset - timedelta(days=30):%Y-%m-%d}"}
    call("stan", "PUT", f"subscriptions/{number}/move", promise, **{"If-Match": tag})
    assert (use_of(call)["answer"], use_of(call)["moves_on"]) == ("promised", promise["moves_on"])

    begins = clock.now().replace(microsecond=0) + timedelta(days=3)
    hour = {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(hours=1)).isoformat()}
    call("stan", "POST", BROWN_OUTS, {"environment": "production", **hour}, status=403)
    call("piet", "POST", BROWN_OUTS, {"environment": "production", **hour}, status=201)
    assert mails_to_stan("rown-out") == 1
    read = ending.read(call("stan", "GET", "deprecations"), base_url="https://tillgate.example")[OLD]
    assert read.brown_out("production", begins + timedelta(minutes=59)) is not None
    assert read.brown_out("production", begins + timedelta(minutes=61)) is None

    as_if_its_days_had_passed()
    assert gate()[:2] == ("deny", ["version.past_sunset"])
    early = proposed(call, "version.retire")
    (left,) = (one for one in call("piet", "GET", f"changes/{early}/checks") if one["check_id"] == "retire.consumers")
    assert left["status"] == "failed", "till has not gone"
    call("piet", "POST", f"changes/{early}/withdraw")

    call("stan", "POST", f"subscriptions/{number}/end", {"reason": "The tills call v3."})
    assert decided(call, proposed(call, "version.retire")) == "applied"
    assert call("piet", "GET", "apis/price-api/versions/v2")["state"] == "retired"
    assert "version.retired" in gate()[1]
    assert [one for one in call("piet", "GET", "deprecations?api=price-api") if one["version"] == OLD] == []


def plan_of(call: Calling, number: int) -> tuple[dict[str, Any], str]:
    """A subscription as its team reads it, with the tag that a write names."""
    answer = catalog.client("stan").get(f"/api/v1/subscriptions/{number}")
    return answer.json(), answer.headers["ETag"]


def as_if_its_days_had_passed() -> None:
    """The guard lets a sunset come earlier only with a new approval; here time has gone by."""
    ended = datetime.now(UTC) - timedelta(hours=1)
    beneath(
        "update catalog_apiversion set deprecated_at = %s, sunset_at = %s where state = 'deprecated'",
        ended - timedelta(days=400),
        ended,
    )
