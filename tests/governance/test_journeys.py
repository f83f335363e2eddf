"""The journeys that decisions must survive, over HTTP; `tests/browser/test_decisions_*.py` walks them in a browser."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from catalog.models import ApiVersion
from governance.domain.subject import Subject
from governance.models import Approval, ChangeRequest, Decision, Waiver
from governance.services import applying, changes, checks, policies, reviews, waivers
from kernel import clock, tokens
from kernel.models import User
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def shown(user: User, name: str, *arguments: object) -> str:
    return catalog.shown(signed_in(user).get(reverse(name, args=arguments)))


def post_decision(client: Client, change: ChangeRequest, seen: dict[str, str], outcome: str = "approve") -> int:
    return client.post(reverse("governance:decide", args=[change.pk]), {"outcome": outcome, **seen}).status_code


def test_a_digest_that_moves_after_the_seal_voids_it_and_every_tab_says_so(house: make.House):
    change = make.approved(house)
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    assert "Earlier approvals no longer count" in shown(house.owner, "governance:change", change.pk)
    evidence = shown(house.owner, "governance:evidence", change.pk)
    assert "the subject changed" in evidence
    assert "Void" in evidence
    assert signed_in(house.releaser).post(reverse("governance:apply", args=[change.pk])).status_code == 403
    assert make.THINGS.applied == []


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_post_at_the_same_moment_and_the_change_is_sealed_once(house: make.House):
    change = make.in_review(house.author)
    seen = asdict(reviews.Seen.of(change))
    clients = [signed_in(user) for user in (house.owner, make.person("otto", "price"), house.architect)]
    start = threading.Barrier(len(clients))
    answers: list[int] = []

    def press(client: Client) -> None:
        try:
            start.wait(timeout=10)
            answers.append(post_decision(client, change, seen))
        finally:
            connections.close_all()

    hands = [threading.Thread(target=press, args=[client]) for client in clients]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    # Whoever of the two owners comes after the seal finds nothing left to decide.
    assert sorted(answers) in ([302, 302, 302], [302, 302, 403])
    change.refresh_from_db()
    assert change.state == "approved"
    assert Approval.objects.filter(change=change, voided_at=None).count() == 1
    assert Decision.objects.filter(change=change).count() == answers.count(302)


def test_a_new_policy_takes_an_approval_back_and_the_page_names_the_reason_and_the_new_slot(house: make.House):
    change = make.approved(house)
    stricter = {
        **make.POLICY,
        "rules": [*make.POLICY["rules"], {"id": "peak", "why": "Peak.", "slots": {"release_manager": 1}}],
    }
    proposed = policies.propose(
        level="organisation",
        document=stricter,
        author=house.security,
        title="Peak",
        justification="Peak.",
        environment="test",
    )
    changes.submit(proposed, actor=house.security)
    checks.run_checks(proposed.pk)
    make.approve(proposed, house.architect, make.person("alma", "architects"))
    applying.apply(proposed, actor=house.releaser)
    page = shown(house.owner, "governance:change", change.pk)
    assert "Earlier approvals no longer count" in page
    assert "Policy organisation 2 took effect." in page
    assert "Release manager" in page
    assert "the policy changed" in shown(house.owner, "governance:evidence", change.pk)


def test_an_approved_page_denies_as_the_door_does_when_the_waiver_it_rests_on_has_ended(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking("/price") | {"breaking": False}]
    change = make.in_review(house.author)
    granted(house, Subject("thing", "price-feed", ""), "thing.sound", "/price")
    make.approve(change, house.owner, house.architect)
    assert "It may go live now." in shown(house.owner, "governance:change", change.pk)
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute(
            "update governance_waiver set starts_at = starts_at - interval '9 days', expires_at = clock_timestamp()"
        )
        cursor.execute("set session_replication_role = origin")
    page = shown(house.owner, "governance:change", change.pk)
    assert "It may go live now." not in page
    assert "what settled it has ended" in page
    assert "Expired" in shown(house.owner, "governance:waivers")
    assert signed_in(house.releaser).post(reverse("governance:apply", args=[change.pk])).status_code == 403


def test_an_approved_page_denies_when_an_approver_has_left_and_waits_for_its_window(house: make.House):
    change = make.approved(house, planned_from=clock.now() + timedelta(days=1))
    assert "It goes live in its planned window." in shown(house.author, "governance:change", change.pk)
    house.architect.groups.clear()
    page = shown(house.author, "governance:change", change.pk)
    assert "Archie approved as Architect and may no longer give that approval." in page
    assert "It goes live in its planned window." not in page


def granted(house: make.House, subject: Subject, rule: str, pointer: str, application: str = "") -> Waiver:
    asked = waivers.propose(
        application=application,
        actor=house.stranger,
        rule=rule,
        pointer=pointer,
        subject=subject,
        environment="production",
        reason="Kiosk images are frozen.",
        expires_at=clock.now() + timedelta(days=30),
    )
    checks.run_checks(asked.pk)
    asked.refresh_from_db()
    owners = [User.objects.filter(groups__in=asked.owner_team_ids).exclude(pk=asked.author_id).first()]
    make.approve(asked, *[user for user in owners if user], house.architect)
    applying.apply(asked, actor=house.releaser)
    return Waiver.objects.get()


def test_the_gate_says_which_waiver_opened_it_and_denies_from_its_last_day_on(house: make.House):
    catalog.estate()
    now = clock.now()
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated", deprecated_at=now - timedelta(days=300), sunset_at=now - timedelta(hours=1)
    )
    _, secret = tokens.issue(actor=None, user=house.author, name="ci", scopes=["gate:ask"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def ask(as_of: str | None = None) -> dict:
        question = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
        body = json.dumps(question | ({"as_of": as_of} if as_of else {}))
        return dict(json.loads(client.post("/api/v1/gate/verdicts", body, content_type="application/json").content))

    assert (ask()["verdict"], ask()["reasons"][0]["code"]) == ("deny", "version.past_sunset")
    place = "/consumed/items/price-api@v2"
    waiver = granted(house, Subject("version", "price-api@v2", ""), "version.past_sunset", place, "till")
    allowed = ask()
    assert (allowed["verdict"], [w["id"] for w in allowed["waivers"]]) == ("allow", [waiver.pk])
    assert ask((waiver.expires_at - timedelta(seconds=1)).isoformat())["verdict"] == "allow"
    ended = ask(waiver.expires_at.isoformat())
    assert (ended["verdict"], ended["waivers"]) == ("deny", [])
