"""G3, approvals: every invariant of sealing, using and voiding tried with raw SQL."""

from __future__ import annotations

import pytest

from governance.models import Approval, ChangeRequest
from governance.services import approvals
from tests.governance import make
from tests.governance.raw_sql import OTHER, SEAL, decide, filled_of, refused, run, seal, seal_and_tell

pytestmark = pytest.mark.django_db
EVERYDAY = 1


def test_an_approval_needs_every_slot(house: make.House, change: ChangeRequest):
    refused("one_person_one_slot", SEAL, *seal(change))
    decide(house.owner.pk, change)
    refused("approval_needs_every_slot", SEAL, *seal(change))
    decide(house.architect.pk, change)
    seal_and_tell(change)


def test_one_person_cannot_sit_on_two_slots(house: make.House, change: ChangeRequest):
    both = make.person("bob", "price", "architects")
    decide(both.pk, change)
    decision = change.decisions.get()
    slots = [{"slot": slot.pk, "decision": decision.pk, "person": both.pk} for slot in change.slots.all()]
    refused("one_person_one_slot", SEAL, *seal(change, slots))


def test_a_slot_needs_a_live_approving_decision_of_a_person_who_may_fill_it(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = filled_of(change)
    swapped = [good[0] | {"slot": good[1]["slot"]}, good[1] | {"slot": good[0]["slot"]}]
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, swapped))
    someone_else = [good[0] | {"person": house.security.pk}, good[1]]
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, someone_else))
    run("update governance_decision set voided_at = now() where person_id = %s", house.owner.pk)
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, good))


def test_leaving_the_group_between_decision_and_seal_counts(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = filled_of(change)
    run("delete from kernel_user_groups where user_id = %s", house.owner.pk)
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, good))


def test_an_objection_and_a_blocking_check_stop_the_seal(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = filled_of(change)
    run("update governance_checkresult set status = 'not_run' where check_id = 'thing.sound'")
    refused("approval_with_blocking_checks", SEAL, *seal(change, good))
    run(
        """update governance_checkresult
           set status = 'failed', findings = '[{"rule": "r", "pointer": "", "level": "error"}]'
           where check_id = 'thing.sound'"""
    )
    refused("approval_with_blocking_checks", SEAL, *seal(change, good))
    run(
        "update governance_checkresult set status = 'passed', subject_digest = %s where check_id = 'thing.sound'", OTHER
    )
    refused("approval_with_blocking_checks", SEAL, *seal(change, good))
    run("update governance_checkresult set subject_digest = %s", change.subject_digest)
    decide(make.person("otto", "price").pk, change, "request_changes", "No.")
    refused("approval_over_an_objection", SEAL, *seal(change, good))


def test_an_approval_binds_the_present_digests_subject_and_environment(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    arguments = seal(change)
    for old, new in (
        ("s.digest,", f"'{OTHER}',"),
        ("c.environment,", "'staging',"),
        ("c.policy_digest, %s", f"'{OTHER}', %s"),
        ("c.diff_digest,", f"'{OTHER}',"),
        ("s.subject_id,", "'x',"),
    ):
        refused("approval_binds_what_is_present", SEAL.replace(old, new, 1), *arguments)


def test_approvals_are_immutable_but_for_use_and_voiding(house: make.House):
    make.approved(house)
    for column, value in (
        ("digest", OTHER),
        ("environment", "staging"),
        ("subject_id", "x"),
        ("filled_slots", "[]"),
        ("valid_until", "2040-01-01"),
    ):
        refused("approval_is_immutable", f"update governance_approval set {column} = %s", value)
    refused("approval_is_kept", "delete from governance_approval")
    run("set constraints all immediate")
    run("set constraints all deferred")
    refused("governance_approval_append_only", "truncate governance_approval cascade")
    run("update governance_approval set voided_at = now(), void_reason = 'x'")
    refused("approval_is_immutable", "update governance_approval set voided_at = null")
    refused("approval_is_immutable", "update governance_approval set used_at = now()")


def test_a_change_is_not_approved_or_applied_by_hand(house: make.House, change: ChangeRequest):
    refused(
        "change_needs_its_approval", "update governance_changerequest set state = 'approved' where id = %s", change.pk
    )
    refused(
        "change_moves_along_its_states",
        "update governance_changerequest set state = 'applied' where id = %s",
        change.pk,
    )
    refused(
        "change_keeps_its_author",
        "update governance_changerequest set author_id = %s where id = %s",
        house.stranger.pk,
        change.pk,
    )
    refused(
        "change_keeps_its_author",
        "update governance_changerequest set submitter_id = %s where id = %s",
        house.stranger.pk,
        change.pk,
    )
    refused("governance_changerequest_append_only", "delete from governance_changerequest")


def test_a_check_that_fails_after_the_seal_voids_it(house: make.House):
    change = make.approved(house)
    run(
        "update governance_checkresult set status = 'failed' where change_id = %s and check_id = 'thing.sound'",
        change.pk,
    )
    assert Approval.objects.get(change=change).void_reason == "check thing.sound no longer passes"


def test_a_used_approval_stays_when_the_world_moves_on_and_can_still_be_voided(house: make.House):
    change = make.approved(house)
    approval = Approval.objects.get(change=change)
    approvals.mark_used(approval.pk, actor=house.releaser)
    refused(
        "change_is_closed", "update governance_changesubject set digest = %s where change_id = %s", OTHER, change.pk
    )
    refused("change_is_closed", "update governance_changerequest set diff_digest = %s where id = %s", OTHER, change.pk)
    approvals.void(approval.pk, actor=house.releaser, reason="It hurts.")
    assert run("select count(*) from governance_valid_approval") == [(0,)]
