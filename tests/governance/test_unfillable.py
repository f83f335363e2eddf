"""A policy names only what exists, and a slot that nobody can fill is told before anybody waits for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catalog.models import Domain
from governance.models import ChangeRequest, Notice, Policy
from governance.services import changes, people, periodic_jobs, policies, unfillable
from kernel import clock, outbox
from kernel.errors import Invalid
from kernel.models import User
from kernel.viewer import SYSTEM
from portal import wiring
from tests.governance import make
from tests.governance.visits import page

pytestmark = pytest.mark.django_db


def rule(**more: Any) -> dict[str, Any]:
    return {"rules": [{"id": "one", "why": "It is so.", "slots": {"owner": 1}, **more}]}


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        (rule(slots={"team:ghosts": 1}), "/rules/0/slots/team:ghosts", "'ghosts'"),
        (rule(slots={"team:pirce": 1}), "/rules/0/slots/team:pirce", "price"),
        (rule(when={"environments": ["prodution"]}), "/rules/0/when/environments/0", "production"),
        (rule(when={"kinds": ["version.deprecate", "version.publsh"]}), "/rules/0/when/kinds/1", "version.publish"),
        (rule(when={"entities": ["nope"]}), "/rules/0/when/entities/0", "'nope'"),
        (rule(when={"data_classes": ["cardholders"]}), "/rules/0/when/data_classes/0", "cardholder"),
        (rule(checks=["thing.sounds"]), "/rules/0/checks/0", "thing.sound"),
    ],
)
def test_a_policy_that_names_what_does_not_exist_is_refused_at_its_place(
    house: make.House, document: dict, pointer: str, says: str
):
    for asked in (
        lambda: policies.install(level="team:price", document=document, actor=None),
        lambda: policies.preview("organisation", document, viewer=SYSTEM),
    ):
        with pytest.raises(Invalid) as refused:
            asked()
        (found,) = refused.value.findings
        assert found["pointer"] == pointer
        assert says in found["message"]
    assert Policy.objects.count() == 1


@pytest.fixture
def lone(house: make.House) -> make.House:
    """The author is the only one of the owner team."""
    house.owner.groups.clear()
    Domain.objects.create(key="price", name="Price", owner_team=make.team("merchants"))
    return house


def told() -> list[tuple[str, str]]:
    wiring.connect()
    while outbox.dispatch():
        pass
    return list(Notice.objects.filter(kind="unfillable").values_list("person__username", "text"))


def test_a_slot_that_only_the_author_could_fill_is_told_at_opening_to_who_can_help(lone: make.House):
    make.person("mia", "merchants")
    User.objects.create_superuser("root", "root@example.com", "a-long-password")
    change = make.draft(lone.author)
    (missing,) = unfillable.of(change)
    assert (missing.key, missing.missing) == ("team:price", 1)
    assert "Merchants" in missing.way_out
    assert {who for who, _ in told()} == {"mia", "root", "ada"}
    assert "Nobody can decide" in page(lone.author, "governance:change", change.pk)
    before = len(told())
    changes.submit(change, actor=lone.author)
    assert len(told()) == before, "the same is not told twice"


def test_a_new_member_or_a_delegate_is_the_way_out(lone: make.House):
    change = make.draft(lone.author)
    assert unfillable.of(change)
    make.person("paul", "price")
    assert not unfillable.of(change)
    lone.stranger.refresh_from_db()
    User.objects.filter(username="paul").update(is_active=False)
    assert unfillable.of(change)
    User.objects.filter(username="paul").update(is_active=True)
    now = clock.now()
    people.delegate(
        actor=User.objects.get(username="paul"),
        to=lone.stranger,
        team_key="price",
        starts_at=now,
        ends_at=now + timedelta(days=3),
        reason="Holiday",
    )
    assert not unfillable.of(change)


def look() -> list[tuple[str, str]]:
    """As the periodic jobs of a scheduler that has just started."""
    periodic_jobs.GovernanceJobs().run_due()
    return told()


def test_a_change_in_review_whose_last_decider_leaves_is_told_to_who_can_help(house: make.House):
    change = make.in_review(house.author)
    assert look() == []
    house.architect.groups.clear()
    (first, *others) = look()
    assert "Nobody can decide as" in first[1]
    assert {who for who, _ in (first, *others)} == {house.author.username}
    assert look() == [first, *others], "the same is not told twice"
    assert ChangeRequest.objects.get(pk=change.pk).state == "in_review"


def test_who_came_and_left_again_is_told_again_and_a_change_that_is_over_is_not(house: make.House):
    change = make.in_review(house.author)
    group = house.architect.groups.get()
    for times in (1, 2):
        house.architect.groups.clear()
        assert len(look()) == times
        house.architect.groups.add(group)
        assert len(look()) == times
    changes.withdraw(change, actor=house.author, reason="Not now.")
    house.architect.groups.clear()
    assert len(look()) == 2


def test_an_account_that_is_closed_leaves_a_change_that_nobody_can_finish(house: make.House):
    make.in_review(house.author)
    User.objects.filter(pk=house.owner.pk).update(is_active=False)
    assert len(look()) == 1


def test_two_slots_that_only_one_person_could_fill_are_one_too_few(house: make.House):
    house.architect.groups.clear()
    house.owner.groups.add(make.team("architects").group)
    change = make.draft(house.author)
    assert [slot.missing for slot in unfillable.of(change)] == [1]
