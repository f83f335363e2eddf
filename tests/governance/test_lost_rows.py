"""An approval rests on rows: slots, live decisions. One that is not there any more is a lost right, not none."""

from __future__ import annotations

import pytest
from django.db import connection

from governance.models import Approval, ChangeRequest
from governance.services import approvals, changes
from kernel.errors import NotApproved
from tests.governance import make

pytestmark = pytest.mark.django_db
BENEATH = {
    "a decision": "delete from governance_decision where change_id = {change} and person_id = {owner}",
    "every decision": "delete from governance_decision where change_id = {change}",
    "a slot": "delete from governance_slot where change_id = {change} and key = 'architect'",
    "every slot": "delete from governance_slot where change_id = {change}",
    "a decision taken back": "update governance_decision set voided_at = now() where change_id = {change}",
    "a decision that says no": "update governance_decision set outcome = 'reject', note = 'No.' "
    "where change_id = {change}",
    "a decision of another": "update governance_decision set person_id = {stranger} where person_id = {owner}",
    "a slot of another revision": "update governance_slot set revision = 9 where change_id = {change}",
    "what it names": "update governance_approval set filled_slots = '[]' where change_id = {change}",
    "one that it names": "update governance_approval set filled_slots = filled_slots - 0 where change_id = {change}",
    "who it names": "update governance_approval set filled_slots = '[{{}}]' where change_id = {change}",
}


@pytest.fixture
def approved(house: make.House, change: ChangeRequest) -> ChangeRequest:
    made = make.approve(change, house.owner, house.architect)
    subject = changes.subjects_of(made)[0]
    assert approvals.require(subject, subject.digest, "production")
    return made


@pytest.mark.parametrize("what", BENEATH)
def test_a_row_that_is_gone_takes_the_right_with_it(house: make.House, approved: ChangeRequest, what: str):
    """As an owner of the database could leave it: no trigger runs."""
    names = {"change": approved.pk, "owner": house.owner.pk, "stranger": house.stranger.pk}
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(BENEATH[what].format(**names))
        cursor.execute("set local session_replication_role = origin")
    subject = changes.subjects_of(approved)[0]
    assert Approval.objects.filter(change=approved, voided_at=None).exists()
    with pytest.raises(NotApproved) as refused:
        approvals.require(subject, subject.digest, "production")
    assert "approval.approver_lost_right" in {unmet["code"] for unmet in refused.value.unmet}
