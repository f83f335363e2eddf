"""What an approval rests on is there when it is used: its slots, its decisions, its people and its checks."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from governance.models import ChangeRequest
from governance.services import approvals
from kernel import clock
from tests.governance import make

pytestmark = pytest.mark.django_db


def beneath(statement: str, *parameters: object) -> None:
    """SQL beneath the triggers, as in a restore of a part."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement, parameters)
        cursor.execute("set local session_replication_role = origin")


def unmet(change: ChangeRequest) -> list[str]:
    subject = make.thing()
    return [str(one["code"]) for one in approvals.unmet(subject, "production", clock.now())]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("delete from governance_decision", "approval.approver_lost_right"),
        ("delete from governance_slot", "approval.approver_lost_right"),
        ("delete from kernel_user where username = 'olaf'", "approval.approver_lost_right"),
        ("delete from kernel_user_groups", "approval.approver_lost_right"),
        ("update governance_decision set outcome = 'reject', note = 'No.'", "approval.approver_lost_right"),
        ("update governance_approval set filled_slots = '[]'", "approval.approver_lost_right"),
        ("update governance_slot set group_ids = '{}'", "approval.approver_lost_right"),
        ("delete from governance_checkresult", "check.blocking"),
        ("delete from governance_changerequest", "check.blocking"),
    ],
)
def test_an_approval_whose_ground_vanished_does_not_hold(damage: str, code: str):
    change = make.approved(make.house())
    assert unmet(change) == []
    with transaction.atomic():
        beneath(damage)
        found = unmet(change)
        transaction.set_rollback(True)  # other rows point at what is gone
    assert code in found
