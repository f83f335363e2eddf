"""Who counts for what: a delegate and the delegator count once, and what truly breaks asks those whom it breaks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from governance.models import Approval, ChangeRequest, Delegation, Notice
from governance.services import acceptances, approvals, changes, people, sealing
from kernel import clock, outbox
from kernel.errors import Conflict, NotApproved
from kernel.models import User
from tests.catalog.make import shown
from tests.governance import make

pytestmark = pytest.mark.django_db
TWO_ARCHITECTS = {"rules": [{"id": "two", "why": "Two see more.", "slots": {"architect": 2}}]}


def lend(by: User, to: User, team: str) -> Delegation:
    now = clock.now()
    return people.delegate(
        actor=by, to=to, team_key=team, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=3)
    )


def page_of(user: User, change: ChangeRequest) -> str:
    client = Client()
    client.force_login(user)
    return shown(client.get(reverse("governance:change", args=[change.pk])))


def test_two_slots_of_one_role_are_not_filled_by_an_architect_and_the_own_delegate(house: make.House):
    from governance.services import policies

    policies.install(level="team:price", document=TWO_ARCHITECTS, actor=None)
    lend(house.architect, house.stranger, "architects")
    change = make.approve(make.in_review(house.author), house.owner, house.architect, house.stranger)
    assert change.state == "in_review"
    assert "A delegate and the delegator count once: somebody other than Stan decides" in page_of(house.author, change)
    make.approve(change, make.person("alma", "architects"))
    assert change.state == "approved"


def test_an_owner_who_sits_himself_is_not_an_architect_through_a_delegate(house: make.House):
    both = make.person("bob", "price", "architects")
    lend(both, house.stranger, "architects")
    change = make.approve(make.in_review(house.author), both, house.stranger)
    assert change.state == "in_review"
    make.approve(change, house.owner)
    assert change.state == "approved", "olaf owns, and bob or stan sits as the architect"


def test_two_delegates_of_one_architect_count_once(house: make.House):
    both = make.person("bob", "price", "architects")
    other = make.person("otto", "stores")
    lend(both, house.stranger, "architects")
    lend(both, other, "price")
    change = make.approve(make.in_review(house.author), house.stranger, other)
    assert change.state == "in_review"


def test_a_delegate_with_a_right_of_the_own_fills_a_slot_beside_the_delegator(house: make.House):
    lend(house.owner, house.architect, "price")
    change = make.approve(make.in_review(house.author), house.owner, house.architect)
    assert change.state == "approved"
    assert all("right_of" not in entry for entry in Approval.objects.get().filled_slots)


def test_the_seal_names_by_whose_right_a_delegate_sits_and_falls_with_it(house: make.House):
    given = lend(house.architect, house.stranger, "architects")
    change = make.approve(make.in_review(house.author), house.owner, house.stranger)
    assert change.state == "approved"
    assert [e.get("right_of") for e in Approval.objects.get().filled_slots if e["person"] == house.stranger.pk] == [
        house.architect.pk
    ]
    assert "for Archie" in page_of(house.author, change)
    subject = changes.subjects_of(change)[0]
    assert approvals.require(subject, subject.digest, "production")
    house.architect.groups.clear()
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production")
    assert [u["code"] for u in caught.value.unmet] == ["approval.approver_lost_right"]
    people.revoke_delegation(given.pk, actor=house.architect)


@pytest.mark.parametrize("claim", ["none", "oneself", "a stranger"])
def test_the_database_refuses_a_slot_by_a_right_that_nobody_lent_and_a_right_that_sits_twice(
    house: make.House, claim: str
):
    both = make.person("bob", "price", "architects")
    lend(both, house.stranger, "architects")
    change = make.approve(make.in_review(house.author), house.stranger)
    make.approve(change, both)
    slots = {slot.key: slot.pk for slot in change.slots.all()}
    decisions = {d.person_id: d.pk for d in change.decisions.all()}
    owner = {"slot": slots["team:price"], "person": both.pk, "decision": decisions[both.pk]}
    delegate = {"slot": slots["architect"], "person": house.stranger.pk, "decision": decisions[house.stranger.pk]}
    right = {"none": {}, "oneself": {"right_of": house.stranger.pk}, "a stranger": {"right_of": house.security.pk}}[
        claim
    ]
    for filled, name in (
        ([owner, delegate | {"right_of": both.pk}], "one_right_one_slot"),
        ([owner, delegate | right], "approval_rests_on_live_decisions"),
    ):
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            insert(change, filled)
        assert caught.value.__cause__.diag.constraint_name == name
    assert sealing.try_seal(change.pk) == []


def insert(change: ChangeRequest, filled: list[dict[str, int]]) -> None:
    subject = changes.subjects_of(change)[0]
    Approval.objects.create(
        change=change,
        revision=change.revision,
        subject_kind=subject.kind,
        subject_id=subject.id,
        digest=subject.digest,
        environment=change.environment,
        subject_digest=change.subject_digest,
        diff_digest=change.diff_digest,
        impact_digest=change.impact_digest,
        policy_digest=change.policy_digest,
        filled_slots=filled,
        approver_ids=sorted(s["person"] for s in filled),
    )


def breaking_change(house: make.House, **consumer: object) -> ChangeRequest:
    make.THINGS.failing["price-feed"] = [make.breaking("/a", consumers=["till"])]
    return make.in_review(
        house.author, make.thing(consumers=[make.consumer("till"), make.consumer("shop", team_key="ecommerce")])
    )


def accept(change: ChangeRequest, actor: User, kind: str = "breaking") -> None:
    soon = (clock.now() + timedelta(days=40)).date()
    acceptances.accept_break(
        change, actor=actor, rule="thing.sound", pointer="/a", kind=kind, reason="It is meant.", migrate_by=soon
    )


def test_what_is_accepted_as_truly_breaking_asks_a_release_manager_and_the_owners_of_whom_it_reaches(house: make.House):
    change = breaking_change(house)
    accept(change, house.releaser)
    added = {(s.key, s.label) for s in change.slots.filter(by_acceptance=True)}
    assert added == {("release_manager", "Release manager"), ("team:stores", "Consumer: Stores")}, (
        "the shop does not use it"
    )
    while outbox.dispatch():
        pass
    assert Notice.objects.filter(person=house.stranger, text__startswith="Please review").exists()
    assert "It also needs: Release manager, Consumer: Stores." in page_of(house.author, change)
    assert changes.refresh(change.pk) is False, "the slots of an acceptance are not a new policy"
    assert make.approve(change, house.owner, house.architect, house.releaser).state == "in_review"
    assert make.approve(change, house.stranger).state == "approved"


def test_a_new_revision_forgets_the_acceptance_and_its_slots(house: make.House):
    change = breaking_change(house)
    accept(change, house.releaser)
    changes.revise(change, subjects=[make.thing(content={"fields": []})], actor=house.author)
    change.refresh_from_db()
    assert {s.key for s in change.slots.filter(revision=change.revision)} == {"team:price", "architect"}


def test_a_benign_difference_asks_nobody_else(house: make.House):
    change = breaking_change(house)
    accept(change, house.architect, "benign")
    assert not change.slots.filter(by_acceptance=True).exists()


def test_nobody_accepts_a_break_of_which_nobody_knows_whom_it_reaches(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking("/a")]
    change = make.in_review(house.author, make.thing(consumers=None))
    with pytest.raises(Conflict, match="The affected consumers are unknown"):
        accept(change, house.releaser)


def test_a_consumer_without_an_owner_keeps_what_breaks_it_shut(house: make.House):
    from dataclasses import replace

    make.THINGS.failing["price-feed"] = [make.breaking("/a", consumers=["kiosk"])]
    orphan = replace(make.consumer("kiosk"), team_id=None, team_key=None)
    change = make.in_review(house.author, make.thing(consumers=[orphan]))
    accept(change, house.releaser)
    slot = change.slots.get(key="consumer_owner")
    assert (slot.label, slot.group_ids) == ("Owner of kiosk", [])


def test_the_database_takes_no_truly_breaking_acceptance_without_its_slots(house: make.House):
    change = breaking_change(house)
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """insert into governance_breakacceptance (change_id, revision, rule, pointer, subject_kind,
                 subject_id, kind, reason, migrate_by, person_id, group_ids_needed, diff_digest)
               values (%s, 1, 'thing.sound', '/a', 'thing', 'price-feed', 'breaking', 'so', now() + interval '9 days',
                 %s, jsonb_build_array(%s::int), %s)""",
            [change.pk, house.releaser.pk, make.team("release-managers").pk, change.diff_digest],
        )
    assert caught.value.__cause__.diag.constraint_name == "truly_breaking_needs_its_slots"
