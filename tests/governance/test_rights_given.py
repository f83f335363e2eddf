"""A right or a password that somebody else gave fills no slot for a day: nobody becomes two people in an afternoon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from governance.domain import policy
from governance.models import GroupMapping
from governance.selectors import slots
from governance.services import identity, people, policies, reviews
from kernel import acting, clock
from kernel.errors import Forbidden, Invalid
from kernel.factors import held
from kernel.models import SecondFactor, User
from kernel.viewer import Viewer
from tests.governance import make
from tests.governance.raw_sql import DECIDE, decide, refused

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


def earlier(**by: float) -> None:
    """What was done until now was done so much earlier."""
    delta = timedelta(**by)
    with connection.cursor() as cursor:
        # The database looks at entries when a transaction ends: at those of before now, while they are of now.
        cursor.execute("set constraints all immediate; set constraints all deferred")
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update governance_policy set created_at = created_at - %s", [delta])
        # What was decided in this transaction stays of now: the database looks at its entries when it ends.
        cursor.execute("update kernel_auditentry set at = at - %s where subject_kind <> 'change'", [delta])
        cursor.execute("set local session_replication_role = origin")


@pytest.fixture
def set_up(house: make.House) -> make.House:
    """The installation is a month old, and a policy asks for a day."""
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    earlier(days=30)
    return house


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="a-long-password", first_name="Bea", last_name="Boss")


def reset(boss: User, person: User) -> None:
    with acting.by(boss):
        person.set_password("known-to-the-boss")
        person.save(update_fields=["password"])


def approve(change: Any, person: User) -> None:
    reviews.approve(change, actor=person, seen=reviews.Seen.of(change))


def test_an_administrator_who_resets_two_passwords_is_no_approver(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    admin = Client()
    admin.force_login(boss, backend=BACKEND)
    for person in (set_up.owner, set_up.architect):
        new = {"password1": "known-to-the-boss", "password2": "known-to-the-boss"}
        assert admin.post(f"/admin/kernel/user/{person.pk}/password/", new).status_code == 302
        stolen = Client()
        assert (
            stolen.post("/sign-in/", {"username": person.username, "password": "known-to-the-boss"}).status_code == 302
        )
        seen = reviews.Seen.of(change)
        sent = {"outcome": "approve", **{name: getattr(seen, name) for name in seen.__slots__}}
        answer = stolen.post(f"/api/v1/changes/{change.pk}/decisions", sent, content_type="application/json")
        assert answer.status_code == 403, answer.content
        assert "Your password was set by Bea Boss" in answer.json()["detail"]
    change.refresh_from_db()
    assert change.state == "in_review"


@pytest.mark.parametrize(
    "deed",
    [
        "update kernel_user set password = 'x' where id = %(person)s",
        "update kernel_user set username = 'oidc:another' where id = %(person)s",
        "update kernel_user set is_active = false where id = %(person)s;"
        "update kernel_user set is_active = true where id = %(person)s",
        "delete from kernel_user_groups where user_id = %(person)s;"
        "insert into kernel_user_groups (user_id, group_id) values (%(person)s, %(group)s)",
    ],
)
def test_plain_sql_fills_no_slot_either(set_up: make.House, deed: str):
    change = make.in_review(set_up.author)
    with connection.cursor() as cursor:
        cursor.execute(deed, {"person": set_up.owner.pk, "group": make.team("price").pk})
    refused("decision_needs_a_right", DECIDE, set_up.owner.pk, "approve", "", change.pk)
    with pytest.raises(Forbidden, match="fills no approval before"):
        approve(change, set_up.owner)


def test_after_a_day_it_counts(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    reset(boss, set_up.owner)
    with pytest.raises(Forbidden):
        approve(change, set_up.owner)
    earlier(hours=24, minutes=1)
    approve(change, set_up.owner)


def test_a_role_that_one_gives_to_oneself_is_given(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    with acting.by(boss):
        boss.groups.add(make.team("architects").group)
    with pytest.raises(Forbidden, match="Your place in the team was given by Bea Boss"):
        approve(change, boss)
    refused("decision_needs_a_right", DECIDE, boss.pk, "approve", "", change.pk)


@pytest.mark.parametrize("deed", ["reset", "given"])
def test_a_second_factor_that_somebody_else_removed_or_made_lets_rights_rest(set_up: make.House, boss: User, deed: str):
    change = make.in_review(set_up.author)
    with acting.by(set_up.owner):
        SecondFactor.objects.create(user=set_up.owner, kind="app", name="Phone", sealed="x")
    if deed == "reset":
        held.reset(set_up.owner, actor=boss)
    else:
        with acting.by(boss):
            SecondFactor.objects.filter(user=set_up.owner).update(sealed="known to the boss")
    with pytest.raises(Forbidden, match=r"Your second factor was (removed|made) by Bea Boss"):
        approve(change, set_up.owner)
    refused("decision_needs_a_right", DECIDE, set_up.owner.pk, "approve", "", change.pk)
    earlier(hours=24, minutes=1)
    approve(change, set_up.owner)


def test_own_second_factors_cost_no_right(set_up: make.House):
    change = make.in_review(set_up.author)
    with acting.by(set_up.owner):
        SecondFactor.objects.create(user=set_up.owner, kind="app", name="Phone", sealed="x")
    held.remove(set_up.owner, SecondFactor.objects.get().pk)
    approve(change, set_up.owner)


def test_an_own_new_password_costs_no_right(set_up: make.House):
    change = make.in_review(set_up.author)
    with acting.by(set_up.owner):
        set_up.owner.set_password("my-own-new-one-here")
        set_up.owner.save(update_fields=["password"])
    approve(change, set_up.owner)


def test_what_was_decided_before_still_counts(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    approve(change, set_up.owner)
    reset(boss, set_up.owner)
    change.refresh_from_db()
    approve(change, set_up.architect)
    change.refresh_from_db()
    assert change.state == "approved"


@pytest.mark.parametrize("whose", ["owner", "stranger"])
def test_a_delegation_lends_no_right_that_rests_and_none_to_an_account_that_does(
    set_up: make.House, boss: User, whose: str
):
    change = make.in_review(set_up.author)
    now = clock.now()
    with transaction.atomic():
        people.delegate(
            actor=set_up.owner, to=set_up.stranger, team_key="price", starts_at=now, ends_at=now + timedelta(days=1)
        )

    reset(boss, getattr(set_up, whose))
    with pytest.raises(Forbidden, match="password was set by Bea Boss"):
        approve(change, set_up.stranger)
    refused("decision_needs_a_right", DECIDE, set_up.stranger.pk, "approve", "", change.pk)


def test_what_the_provider_says_counts_at_once_and_by_a_new_mapping_after_a_day(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    GroupMapping.objects.create(claim="architects", group=make.team("architects").group)
    earlier(days=2)
    known = identity.person_of({"sub": "one", "name": "Olga", "groups": ["architects"]}, groups_claim="groups")
    approve(change, known)
    change = make.in_review(set_up.author, make.thing("other"))
    with acting.by(boss):
        GroupMapping.objects.create(claim="everyone", group=make.team("price").group)
    other = identity.person_of({"sub": "two", "name": "Otto", "groups": ["everyone"]}, groups_claim="groups")
    with pytest.raises(Forbidden, match="The mapping that gave your place in the team was made by Bea Boss"):
        approve(change, other)
    earlier(hours=25)
    approve(change, other)


def test_the_set_up_before_the_first_policy_counts_at_once(house: make.House):
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    change = make.in_review(house.author)
    approve(change, house.owner)


def test_a_team_whose_role_moved_to_another_group_fills_no_slot_that_day(set_up: make.House):
    group = make.team("stores").group
    with connection.cursor() as cursor:
        cursor.execute("update catalog_team set key = 'architects-of-before' where key = 'architects'")
        cursor.execute("update catalog_team set key = 'architects' where group_id = %s", [group.pk])
    change = make.in_review(set_up.author)
    with pytest.raises(Forbidden, match="team was given its role"):
        approve(change, set_up.stranger)


def test_the_slot_says_whose_right_does_not_count_yet_and_why(set_up: make.House, boss: User):
    change = make.in_review(set_up.author)
    reset(boss, set_up.architect)
    [architect] = [s for s in slots.of(change, viewer=Viewer.of(set_up.author)) if s.key == "architect"]
    assert "Archie’s password was set by Bea Boss" in architect.who
    assert "fills no approval before" in architect.who


def test_a_policy_says_how_many_hours_and_a_lower_level_only_more():
    document = {**make.POLICY, "rights_rest_hours": 48}
    policy.validate(document)
    policy.validate({**document, "rights_rest_hours": 72}, above=document)
    for wrong in (-1, 721, "24", True, 1.5):
        with pytest.raises(Invalid):
            policy.validate({**document, "rights_rest_hours": wrong})
    with pytest.raises(Invalid, match="1 finding"):
        policy.validate({**document, "rights_rest_hours": 24}, above=document)


def test_where_no_policy_says_it_is_a_day(house: make.House, boss: User):
    """The policy of the house says 0; one that says nothing asks for no less than others."""
    change = make.in_review(house.author)
    with connection.cursor() as cursor:
        cursor.execute("select governance_rest_hours(%s), governance_rest_hours(0)", [change.pk])
        assert cursor.fetchone() == (0, 24)
    reset(boss, house.owner)
    decide(house.owner.pk, change)
