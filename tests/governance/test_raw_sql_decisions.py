"""G3, decisions: every invariant of deciding and of digests tried with raw SQL."""

from __future__ import annotations

import pytest

from governance.domain.policy import digest_of_levels
from governance.domain.subject import digest_of_subjects
from governance.models import Approval, ChangeRequest, Policy
from governance.services import changes, policies
from tests.governance import make
from tests.governance.raw_sql import DECIDE, OTHER, decide, refused, run

pytestmark = pytest.mark.django_db


def test_author_submitter_and_contributor_cannot_decide(house: make.House, change: ChangeRequest):
    helper = make.person("helga", "price")
    run(
        "insert into governance_contributor (change_id, person_id, how) values (%s, %s, 'helped')", change.pk, helper.pk
    )
    for person in (house.author, helper):
        refused("decision_separation_of_duties", DECIDE, person.pk, "approve", "", change.pk)


def test_a_stranger_an_inactive_person_and_a_service_account_cannot_decide(house: make.House, change: ChangeRequest):
    refused("decision_needs_a_right", DECIDE, house.stranger.pk, "approve", "", change.pk)
    run("update kernel_user set is_active = false where id = %s", house.owner.pk)
    refused("decision_needs_a_right", DECIDE, house.owner.pk, "approve", "", change.pk)
    run("update kernel_user set is_active = true, kind = 'service' where id = %s", house.owner.pk)
    refused("decision_needs_a_right", DECIDE, house.owner.pk, "approve", "", change.pk)


def test_a_decision_about_other_digests_or_another_revision_is_refused(house: make.House, change: ChangeRequest):
    for column in ("subject_digest", "diff_digest", "impact_digest", "policy_digest"):
        sql = DECIDE.replace(f"c.{column}", f"'{OTHER}'")
        refused("decision_binds_what_is_present", sql, house.owner.pk, "approve", "", change.pk)
    refused(
        "decision_binds_what_is_present",
        DECIDE.replace("c.revision", "c.revision + 1"),
        house.owner.pk,
        "approve",
        "",
        change.pk,
    )


def test_one_person_has_one_live_decision(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    refused("one_live_decision_per_person", DECIDE, house.owner.pk, "approve", "", change.pk)


def test_refusing_needs_a_reason(house: make.House, change: ChangeRequest):
    refused("refusing_needs_a_reason", DECIDE, house.owner.pk, "reject", " ", change.pk)


def test_a_draft_and_a_closed_change_take_no_decision(house: make.House):
    draft = make.draft(house.author)
    refused("decision_needs_a_review", DECIDE, house.owner.pk, "approve", "", draft.pk)
    closed = make.in_review(house.author, make.thing("other"))
    changes.withdraw(closed, actor=house.author)
    refused("decision_needs_a_review", DECIDE, house.owner.pk, "approve", "", closed.pk)


def test_decisions_are_append_only(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    refused("decision_is_append_only", "update governance_decision set person_id = %s", house.architect.pk)
    refused("decision_is_append_only", "update governance_decision set outcome = 'reject', note = 'x'")
    refused("decision_is_kept", "delete from governance_decision")
    run("set constraints all immediate")
    refused("governance_decision_append_only", "truncate governance_decision")
    run("update governance_decision set voided_at = now(), void_reason = 'x'")
    refused("decision_is_append_only", "update governance_decision set voided_at = null")


@pytest.mark.parametrize("column", ["diff_digest", "impact_digest"])
def test_moving_a_digest_by_hand_voids_decisions_and_approvals_in_the_same_statement(house: make.House, column: str):
    change = make.approved(house)
    run(f"update governance_changerequest set {column} = %s where id = %s", OTHER, change.pk)
    assert run("select count(*) from governance_decision where voided_at is null") == [(0,)]
    assert run("select count(*) from governance_approval where voided_at is null") == [(0,)]
    assert run("select state from governance_changerequest where id = %s", change.pk) == [("in_review",)]
    assert run("select count(*) from governance_valid_approval") == [(0,)]


def test_the_subject_digest_cannot_be_written_and_follows_the_subjects(house: make.House):
    change = make.approved(house)
    run(
        "update governance_changerequest set subject_digest = %s, policy_digest = %s where id = %s",
        OTHER,
        OTHER,
        change.pk,
    )
    change.refresh_from_db()
    assert change.subject_digest == changes.subjects_of(change)[0].digest
    assert Approval.objects.get(change=change).voided_at is None
    run("update governance_changesubject set digest = %s where change_id = %s", OTHER, change.pk)
    change.refresh_from_db()
    assert (change.subject_digest, change.state) == (OTHER, "in_review")
    assert Approval.objects.get(change=change).void_reason == "the subject changed"


@pytest.mark.parametrize(
    "sql",
    [
        "update governance_changesubject set subject_id = 'another' where position = 1",
        "delete from governance_changesubject where position = 1",
    ],
)
def test_another_subject_under_the_same_digest_voids_too(house: make.House, sql: str):
    subject = make.thing("one")
    twin = make.thing("two")
    change = make.approved(house, subject, twin)
    run(sql)
    assert not Approval.objects.filter(change=change, voided_at=None).exists()


def test_python_and_the_database_compute_the_same_digests(house: make.House):
    change = make.draft(house.author, make.thing("zeta"), make.thing("Alpha"), make.thing("äpfel"))
    assert change.subject_digest == digest_of_subjects(changes.subjects_of(change))
    policies.install(level="team:price", document=make.POLICY, actor=None)
    active = {p.level: p.digest for p in Policy.objects.filter(state="active")}
    assert run("select governance_policy_digest(%s)", list(active)) == [(digest_of_levels(active),)]


def test_a_draft_without_slots_checks_or_digests_cannot_be_put_into_review_by_hand(house: make.House):
    draft = make.draft(house.author)
    refused(
        "change_needs_evidence",
        "update governance_changerequest "
        "set state = 'in_review', submitter_id = author_id, submitted_at = now() "
        "where id = %s",
        draft.pk,
    )


def test_slots_contributors_events_and_verdicts_are_append_only(house: make.House, change: ChangeRequest):
    for table in ("slot", "changeevent"):
        refused(f"governance_{table}_append_only", f"delete from governance_{table}")
    refused("governance_slot_append_only", "update governance_slot set group_ids = '{1}'")
    run(
        "insert into governance_contributor (change_id, person_id, how) values (%s, %s, 'x')",
        change.pk,
        house.stranger.pk,
    )
    refused("governance_contributor_append_only", "delete from governance_contributor")
    refused("governance_checkresult_append_only", "delete from governance_checkresult")
    refused(
        "slot_follows_the_policy",
        "insert into governance_slot (change_id, revision, key, label, number, group_ids, why, policy_digest) "
        "values (%s, 1, 'x', 'x', 1, '{}', '[]', '')",
        change.pk,
    )


def test_a_late_contributor_takes_decision_and_approval_along(house: make.House):
    change = make.approved(house)
    run(
        "insert into governance_contributor (change_id, person_id, how) values (%s, %s, 'wrote the mapping')",
        change.pk,
        house.owner.pk,
    )
    assert Approval.objects.get(change=change).void_reason == "an approver contributed to the change"
    assert run("select state from governance_changerequest where id = %s", change.pk) == [("in_review",)]
