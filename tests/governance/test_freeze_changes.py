"""A freeze that has begun is ended and changed by an approved change; a sunset comes earlier by a quorum; no token
decides, lifts or takes back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from governance.domain.freeze import FreezeScope
from governance.domain.subject import Subject
from governance.models import ChangeRequest, FreezeWindow
from governance.selectors import freezes as open_freezes
from governance.services import applying, changes, checks, freezes, reviews
from kernel import clock, tokens
from kernel.errors import Conflict, Invalid, NotApproved
from kernel.models import User
from tests.governance import make

pytestmark = pytest.mark.django_db
HERE = FreezeScope("production", 1, "price")


def once(before: timedelta = timedelta(hours=1), length: timedelta = timedelta(days=3)) -> dict[str, Any]:
    begins = clock.now() - before
    return {
        "kind": "once",
        "zone": "UTC",
        "from": f"{begins:%Y-%m-%dT%H:%M}",
        "until": f"{begins + length:%Y-%m-%dT%H:%M}",
    }


def peak(**more: Any) -> FreezeWindow:
    values: dict[str, Any] = {"name": "Peak", "calendar": once(), "environment": "production", "strictness": "work"}
    return freezes.plan(actor=None, **(values | more))


def by_token(user: User, method: str, path: str, body: object = None) -> tuple[int, dict]:
    scopes = ["governance:read", "governance:write", "catalog:read", "catalog:write"]
    _, secret = tokens.issue(actor=None, user=user, name="test", scopes=scopes)
    return _sent(Client(), method, path, body, headers={"Authorization": f"Bearer {secret}"})


def in_session(user: User, method: str, path: str, body: object = None) -> tuple[int, dict]:
    client = Client()
    client.force_login(user)
    return _sent(client, method, path, body)


def _sent(client: Client, method: str, path: str, body: object, **more: Any) -> tuple[int, dict]:
    sent = json.dumps(body) if body is not None else ""
    answer = client.generic(method, f"/api/v1/{path}", sent, content_type="application/json", **more)
    return answer.status_code, json.loads(answer.content or b"{}")


def asked_for(house: make.House, kind: str, window: FreezeWindow, **parameters: Any) -> ChangeRequest:
    subject = Subject("freeze", str(window.pk), freezes.digest_of_window(window))
    change = make.draft(house.author, subject, kind=kind, parameters=parameters)
    change = changes.submit(change, actor=house.author)
    checks.run_checks(change.pk)
    return changes.get(change.pk)


def test_one_person_does_not_end_a_freeze_that_has_begun_and_is_told_how_it_ends(house: make.House):
    window = peak()
    status, problem = in_session(house.releaser, "POST", f"freezes/{window.pk}/end", {"note": "Enough."})
    assert (status, problem["code"]) == (409, "freeze.begun")
    assert problem["change"] == {
        "kind": "freeze.end",
        "subjects": [{"kind": "freeze", "id": str(window.pk), "digest": freezes.digest_of_window(window)}],
        "environment": "production",
    }
    assert open_freezes.active(HERE, clock.now()), "it is still in force"


def test_a_freeze_that_has_not_begun_is_ended_by_one_person_with_a_reason_not_by_a_token(house: make.House):
    window = peak(calendar=once(before=-timedelta(days=2)))
    assert by_token(house.architect, "POST", f"freezes/{window.pk}/end", {"note": "No."})[1]["code"] == (
        "decision.by_token"
    )
    assert in_session(house.releaser, "POST", f"freezes/{window.pk}/end", {"note": "Moved to May."})[0] == 204
    window.refresh_from_db()
    assert window.ended_at is not None
    assert in_session(house.releaser, "POST", "freezes/999999/end", {"note": "Which?"})[0] == 404


def test_lifting_takes_a_release_manager_and_an_architect_and_no_freeze_stops_it(house: make.House):
    window = peak()
    change = asked_for(house, "freeze.end", window)
    assert {s.key for s in change.slots.all()} == {"team:release-managers", "architect"}
    assert not change.check_results.exclude(status__in=["passed", "not_applicable"]).exists()
    change = make.approve(change, house.releaser, house.architect)
    assert change.state == "approved"
    applying.apply(change)
    window.refresh_from_db()
    assert window.ended_at is not None
    assert not open_freezes.active(HERE, clock.now())


def test_a_freeze_is_changed_by_a_change_and_another_window_takes_its_place_at_once(house: make.House):
    window = peak()
    longer = once(length=timedelta(days=30))
    asked = asked_for(house, "freeze.change", window, calendar=longer, strictness="changes")
    change = make.approve(asked, house.releaser, house.architect)
    applying.apply(change)
    (present,) = FreezeWindow.objects.filter(ended_at=None)
    assert (present.name, present.strictness, present.calendar) == ("Peak", "changes", longer)
    assert [o.id for o in open_freezes.active(HERE, clock.now())] == [present.pk]


def test_what_a_freeze_cannot_become_fails_its_check_with_the_place(house: make.House):
    change = asked_for(house, "freeze.change", peak(), calendar={"kind": "weekly", "zone": "UTC", "days": []})
    failed = change.check_results.get(check_id="freeze.sound")
    assert failed.status == "failed"
    assert failed.findings[0]["pointer"].startswith("/parameters/calendar")


def test_a_freeze_of_production_is_not_lifted_by_a_change_of_the_test_environment(house: make.House):
    window = peak()
    subject = Subject("freeze", str(window.pk), freezes.digest_of_window(window))
    change = changes.submit(
        make.draft(house.author, subject, kind="freeze.end", environment="test"), actor=house.author
    )
    checks.run_checks(change.pk)
    assert change.check_results.get(check_id="freeze.sound").status == "failed"


def test_a_window_that_became_another_one_meanwhile_is_not_ended_by_the_approval_of_the_old_one(house: make.House):
    window = peak()
    change = make.approve(asked_for(house, "freeze.end", window), house.releaser, house.architect)
    freezes.lift(window.pk, digest=freezes.digest_of_window(window), approval_id=0, actor=None)
    with pytest.raises((Conflict, NotApproved)):
        applying.apply(change)


def test_a_token_does_not_take_a_decision_back(house: make.House, change: ChangeRequest):
    reviews.approve(change, actor=house.owner, seen=reviews.Seen.of(change))
    status, problem = by_token(house.owner, "DELETE", f"changes/{change.pk}/decisions")
    assert (status, problem["code"]) == (403, "decision.by_token")
    assert in_session(house.owner, "DELETE", f"changes/{change.pk}/decisions")[0] == 204


@pytest.mark.parametrize("parameters", [{"migration_guide": "x"}, {"sunset_At": "x"}])
def test_a_parameter_that_the_kind_does_not_know_is_refused_with_what_is_near(house: make.House, parameters: dict):
    with pytest.raises(Invalid) as refused:
        make.draft(
            house.author,
            Subject("version", "price-api@v1", "sha256:" + "0" * 64),
            kind="version.deprecate",
            parameters=parameters,
        )
    (found,) = refused.value.findings
    assert found["pointer"] == f"/parameters/{next(iter(parameters))}"
    assert "guide" in found["message"] or "sunset_at" in found["message"]


def test_ending_twice_is_a_word_not_an_error(house: make.House):
    window = peak(calendar=once(before=-timedelta(days=2)))
    for _ in range(2):
        freezes.end(window.pk, actor=house.releaser, reason="Moved to May.")
    with pytest.raises(Conflict):
        freezes.lift(window.pk, digest="sha256:" + "0" * 64, approval_id=0, actor=None)
