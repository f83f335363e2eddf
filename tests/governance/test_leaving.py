"""Who leaves takes with them what they decided and lent: an account that is opened again begins anew, whoever opens
it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from catalog.services import people as lists
from catalog.services.findings import Findings
from governance.models import Approval, ChangeRequest, Delegation, ProvisionedPerson
from governance.permissions import may_decide
from governance.selectors import slots
from governance.services import approvals, people, policies, reviews, sealing
from kernel import audit, clock
from kernel.constraints import violated
from kernel.errors import Forbidden, NotApproved
from kernel.models import AuditEntry, User
from kernel.viewer import Viewer
from tests.governance import make
from tests.governance.raw_sql import run
from tests.governance.scim.calls import Directory
from tests.governance.test_rights_given import earlier

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="a-long-password", first_name="Bea", last_name="Boss")


def is_open(person: User, yes: bool, by: User | None = None) -> None:
    found = Findings()
    lists.write(lists.from_objects([{"username": person.username, "active": yes}], found), found, actor=by)
    person.refresh_from_db()


def comes_back(person: User, by: User | None = None) -> None:
    for yes in (False, True):
        is_open(person, yes, by)


def lend(by: User, to: User, team: str) -> Delegation:
    now = clock.now()
    return people.delegate(
        actor=by, to=to, team_key=team, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=3)
    )


def filled(change: ChangeRequest) -> list[str]:
    return [slot.key for slot in slots.of(change, viewer=Viewer.of(change.author)) if slot.filled]


def test_what_a_leaver_approved_is_not_back_in_its_slot_when_the_account_is_opened(house: make.House, boss: User):
    change = make.approve(make.in_review(house.author), house.owner)
    [slot] = filled(change)
    is_open(house.owner, False, boss)
    assert filled(change) == []
    is_open(house.owner, True, boss)
    assert filled(change) == []
    assert change.decisions.get().void_reason == "the account was closed since"
    ended = AuditEntry.objects.get(verb="governance.decision_ended")
    assert (ended.subject_id, ended.actor_id) == (str(change.pk), boss.pk)
    assert ended.after == {"because": "the account olaf was opened again", "of": "olaf"}
    make.approve(change, house.architect)
    assert (change.state, sealing.try_seal(change.pk)) == ("in_review", [])
    make.approve(change, house.owner)
    assert (change.state, slot in filled(change)) == ("approved", True)


def test_what_was_sealed_and_is_not_in_effect_ends_with_an_approver_who_comes_back_rested_or_not(
    house: make.House, boss: User
):
    policies.install(level="team:price", document={**make.POLICY, "rights_rest_hours": 24}, actor=None)
    earlier(days=30)
    change = make.approve(make.in_review(house.author), house.owner, house.architect)
    assert change.state == "approved"
    comes_back(house.owner, boss)
    subject = make.thing()
    with pytest.raises(NotApproved):
        approvals.require(subject, subject.digest, "production")
    change.refresh_from_db()
    assert change.state == "in_review"
    assert "account was opened again by Bea Boss" in may_decide(Viewer.of(house.owner), change, clock.now()).reason


def test_what_a_leaver_objected_to_still_stands_in_the_way(house: make.House, boss: User):
    change = make.in_review(house.author)
    reviews.request_changes(change, actor=house.owner, seen=reviews.Seen.of(change), note="Name the currency.")
    comes_back(house.owner, boss)
    assert change.decisions.get().voided_at is None


def test_an_approval_that_is_in_effect_stays_when_an_approver_leaves_and_comes_back(house: make.House, boss: User):
    make.approved(house)
    approval = Approval.objects.get()
    approvals.mark_used(approval.pk, actor=house.releaser)
    comes_back(house.owner, boss)
    approval.refresh_from_db()
    assert (approval.voided_at, approval.change.state) == (None, "applied")


@pytest.mark.parametrize("who", ["the one who lends", "the one who is lent to"])
def test_what_is_lent_ends_with_either_account_and_the_ledger_says_by_whom(house: make.House, boss: User, who: str):
    lent = lend(house.architect, house.stranger, "architects")
    past = lend(house.architect, house.stranger, "architects")
    other = lend(house.owner, house.releaser, "price")
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set constraints all deferred")
        cursor.execute("set local session_replication_role = replica")
        cursor.execute("update governance_delegation set ends_at = now() - interval '1 m' where id = %s", [past.pk])
        cursor.execute("set local session_replication_role = origin")
    leaver = house.architect if who == "the one who lends" else house.stranger
    is_open(leaver, False, boss)
    ended = {row.pk: row.revoked_at is not None for row in Delegation.objects.all()}
    assert ended == {lent.pk: True, past.pk: False, other.pk: False}
    entry = AuditEntry.objects.get(verb="governance.delegation_revoked")
    assert (entry.subject_id, entry.actor_id) == (str(lent.pk), boss.pk)
    assert entry.after == {
        "because": f"the account {leaver.username} was closed",
        "of": house.architect.username,
        "to": house.stranger.username,
    }
    is_open(leaver, True, boss)
    change = make.in_review(house.author)
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=house.stranger, seen=reviews.Seen.of(change))
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")


def test_what_was_lent_before_an_upgrade_to_somebody_who_left_and_came_back_counts_for_nobody(
    house: make.House, boss: User
):
    """The database of before left delegations as they were; they end at the next opening at the latest."""
    lent = lend(house.architect, house.stranger, "architects")
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set constraints all deferred")
        cursor.execute("alter table kernel_user disable trigger governance_moved")
    comes_back(house.stranger, boss)
    assert Delegation.objects.get().revoked_at is None
    change = make.in_review(house.author)
    with pytest.raises(Forbidden):
        reviews.approve(change, actor=house.stranger, seen=reviews.Seen.of(change))
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate; set constraints all deferred")
        cursor.execute("alter table kernel_user enable trigger governance_moved")
    User.objects.filter(pk=house.architect.pk).update(is_active=False)
    lent.refresh_from_db()
    assert lent.revoked_at is not None


def test_a_provider_that_flaps_restores_nothing(house: make.House):
    directory = Directory()
    olga = directory.person("olga@shop.example")
    account = ProvisionedPerson.objects.get(pk=olga["id"]).account
    account.groups.add(make.team("architects").group)
    lent = lend(house.architect, account, "architects")
    change = make.approve(make.in_review(house.author), house.owner, account)
    assert change.state == "approved"
    for yes in (False, True, False, True):
        directory.patch(f"/Users/{olga['id']}", {"op": "replace", "path": "active", "value": yes})
    account.refresh_from_db()
    lent.refresh_from_db()
    assert (account.is_active, lent.revoked_at is not None) == (True, True)
    subject = make.thing()
    with pytest.raises(NotApproved):
        approvals.require(subject, subject.digest, "production")
    assert AuditEntry.objects.get(verb="governance.delegation_revoked").actor_id == directory.account.pk


def test_nobody_ends_what_others_lent_without_an_account_that_moved(house: make.House, boss: User):
    lent = lend(house.architect, house.stranger, "architects")

    def ended_by_the_boss() -> None:
        with transaction.atomic():
            audit.record("governance.delegation_revoked", "delegation", lent.pk, actor=boss)
            run("update governance_delegation set revoked_at = now() where id = %s", lent.pk)
            run("set constraints all immediate")

    with pytest.raises(IntegrityError) as caught:
        ended_by_the_boss()
    assert violated(caught.value) == "delegation_is_on_record"
