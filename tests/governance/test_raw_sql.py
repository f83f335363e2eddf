"""G3: every invariant of decisions tried with raw SQL, past every service, permission and page."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from governance.domain.policy import digest_of_levels
from governance.domain.subject import Subject, digest_of_subjects
from governance.models import Approval, BreakGlass, ChangeRequest, Policy, Waiver
from governance.services import approvals, changes, policies, revisions, sealing, waivers
from kernel import clock
from kernel.errors import NotApproved
from tests.governance import make

pytestmark = pytest.mark.django_db
OTHER = "sha256:" + "f" * 64


@pytest.fixture
def house() -> make.House:
    return make.house()


@pytest.fixture
def change(house: make.House) -> ChangeRequest:
    return make.in_review(house.author)


def run(sql: str, *arguments: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else []


def refused(constraint: str, sql: str, *arguments: object) -> None:
    """The statement fails with exactly this constraint, and nothing of it stays."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        run(sql, *arguments)
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)


DECIDE = """insert into governance_decision (change_id, revision, person_id, outcome, note, subject_digest, diff_digest, impact_digest, policy_digest, void_reason)
select c.id, c.revision, %s, %s, %s, c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest, '' from governance_changerequest c where c.id = %s"""


def decide(person: int, change: ChangeRequest, outcome: str = "approve", note: str = "") -> None:
    run(DECIDE, person, outcome, note, change.pk)


def test_author_submitter_and_contributor_cannot_decide(house: make.House, change: ChangeRequest):
    helper = make.person("helga", "price")
    run("insert into governance_contributor (change_id, person_id, how) values (%s, %s, 'helped')", change.pk, helper.pk)
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
        "decision_binds_what_is_present", DECIDE.replace("c.revision", "c.revision + 1"), house.owner.pk, "approve", "", change.pk
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
    run("update governance_changerequest set subject_digest = %s, policy_digest = %s where id = %s", OTHER, OTHER, change.pk)
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


SEAL = """insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, digest, environment, subject_digest, diff_digest, impact_digest,
  policy_digest, seats, approver_ids, used_by_text, void_reason)
select 'review', c.id, c.revision, s.kind, s.subject_id, s.digest, c.environment, c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest, %s, %s, '', ''
  from governance_changerequest c join governance_changesubject s on s.change_id = c.id where c.id = %s"""


def seats_of(change: ChangeRequest) -> list[dict[str, int]]:
    return [sealing.entry_of(slot, seated) for slot, seated in sorted(sealing.seating(change).items())]


def seal(change: ChangeRequest, seats: list[dict[str, int]] | None = None) -> tuple[object, ...]:
    seats = seats_of(change) if seats is None else seats
    return json.dumps(seats), sorted(s["person"] for s in seats), change.pk


def test_an_approval_needs_every_slot(house: make.House, change: ChangeRequest):
    refused("one_person_one_slot", SEAL, *seal(change))
    decide(house.owner.pk, change)
    refused("approval_needs_every_slot", SEAL, *seal(change))
    decide(house.architect.pk, change)
    run(SEAL, *seal(change))


def test_one_person_cannot_sit_on_two_seats(house: make.House, change: ChangeRequest):
    both = make.person("bob", "price", "architects")
    decide(both.pk, change)
    decision = change.decisions.get()
    seats = [{"slot": slot.pk, "decision": decision.pk, "person": both.pk} for slot in change.slots.all()]
    refused("one_person_one_slot", SEAL, *seal(change, seats))


def test_a_seat_needs_a_live_approving_decision_of_a_person_who_may_fill_it(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = seats_of(change)
    swapped = [good[0] | {"slot": good[1]["slot"]}, good[1] | {"slot": good[0]["slot"]}]
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, swapped))
    someone_else = [good[0] | {"person": house.security.pk}, good[1]]
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, someone_else))
    run("update governance_decision set voided_at = now() where person_id = %s", house.owner.pk)
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, good))


def test_leaving_the_group_between_decision_and_seal_counts(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = seats_of(change)
    run("delete from kernel_user_groups where user_id = %s", house.owner.pk)
    refused("approval_rests_on_live_decisions", SEAL, *seal(change, good))


def test_an_objection_and_a_blocking_check_stop_the_seal(house: make.House, change: ChangeRequest):
    decide(house.owner.pk, change)
    decide(house.architect.pk, change)
    good = seats_of(change)
    run("update governance_checkresult set status = 'not_run' where check_id = 'thing.sound'")
    refused("approval_with_blocking_checks", SEAL, *seal(change, good))
    run(
        """update governance_checkresult set status = 'failed', findings = '[{"rule": "r", "pointer": "", "level": "error"}]' where check_id = 'thing.sound'"""
    )
    refused("approval_with_blocking_checks", SEAL, *seal(change, good))
    run("update governance_checkresult set status = 'passed', subject_digest = %s where check_id = 'thing.sound'", OTHER)
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
        ("seats", "[]"),
        ("valid_until", "2040-01-01"),
    ):
        refused("approval_is_immutable", f"update governance_approval set {column} = %s", value)
    refused("approval_is_kept", "delete from governance_approval")
    run("set constraints all immediate")
    refused("governance_approval_append_only", "truncate governance_approval cascade")
    run("update governance_approval set voided_at = now(), void_reason = 'x'")
    refused("approval_is_immutable", "update governance_approval set voided_at = null")
    refused("approval_is_immutable", "update governance_approval set used_at = now()")


def test_a_change_is_not_approved_or_applied_by_hand(house: make.House, change: ChangeRequest):
    refused("change_needs_its_approval", "update governance_changerequest set state = 'approved' where id = %s", change.pk)
    refused("change_moves_along_its_states", "update governance_changerequest set state = 'applied' where id = %s", change.pk)
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


def test_a_draft_without_slots_checks_or_digests_cannot_be_put_into_review_by_hand(house: make.House):
    draft = make.draft(house.author)
    refused(
        "change_needs_evidence",
        "update governance_changerequest set state = 'in_review', submitter_id = author_id, submitted_at = now() where id = %s",
        draft.pk,
    )


def test_slots_contributors_events_and_verdicts_are_append_only(house: make.House, change: ChangeRequest):
    for table in ("slot", "changeevent"):
        refused(f"governance_{table}_append_only", f"delete from governance_{table}")
    refused("governance_slot_append_only", "update governance_slot set group_ids = '{1}'")
    run("insert into governance_contributor (change_id, person_id, how) values (%s, %s, 'x')", change.pk, house.stranger.pk)
    refused("governance_contributor_append_only", "delete from governance_contributor")
    refused("governance_checkresult_append_only", "delete from governance_checkresult")
    refused(
        "slot_follows_the_policy",
        "insert into governance_slot (change_id, revision, key, label, seat, group_ids, why, policy_digest) values (%s, 1, 'x', 'x', 1, '{}', '[]', '')",
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


def test_a_check_that_fails_after_the_seal_voids_it(house: make.House):
    change = make.approved(house)
    run("update governance_checkresult set status = 'failed' where change_id = %s and check_id = 'thing.sound'", change.pk)
    assert Approval.objects.get(change=change).void_reason == "check thing.sound no longer passes"


def test_activating_a_policy_by_hand_is_refused_and_one_put_in_place_voids_in_the_same_statement(house: make.House):
    change = make.approved(house)
    stricter = {**make.POLICY, "approval_days": 3}
    draft = policies.write(level="organisation", document=stricter, author=house.author)
    with transaction.atomic():
        run("update governance_policy set state = 'superseded' where state = 'active'")
        refused("policy_needs_its_approval", "update governance_policy set state = 'active' where id = %s", draft.pk)
        transaction.set_rollback(True)
    refused("policy_is_immutable", "update governance_policy set document = '{}' where id = %s", draft.pk)
    refused("policy_is_kept", "delete from governance_policy")
    assert Approval.objects.get(change=change).voided_at is None
    team_policy = policies.write(level="team:price", document=make.POLICY, author=house.author)
    run("update governance_policy set state = 'active' where id = %s", team_policy.pk)
    assert Approval.objects.get(change=change).void_reason == "the policy changed"


def test_a_waiver_is_granted_only_by_its_own_approval_and_lives_90_days_at_most(house: make.House):
    now = clock.now()
    insert = """insert into governance_waiver (rule, pointer, subject_kind, subject_id, environment, reason, starts_at, expires_at, state, digest, requested_by_id)
      values ('r', '', 'thing', 'x', 'production', %s, %s, %s, %s, %s, %s)"""
    refused("waiver_at_most_90_days", insert, "because", now, now + timedelta(days=91), "proposed", OTHER, house.author.pk)
    refused("waiver_needs_a_reason", insert, " ", now, now + timedelta(days=9), "proposed", OTHER, house.author.pk)
    refused("waiver_starts_as_proposed", insert, "because", now, now + timedelta(days=9), "granted", OTHER, house.author.pk)
    run(insert, "because", now, now + timedelta(days=9), "proposed", OTHER, house.author.pk)
    refused("waiver_needs_its_approval", "update governance_waiver set state = 'granted'")
    refused("waiver_is_immutable", "update governance_waiver set expires_at = expires_at + interval '1 day'")
    refused("waiver_is_kept", "delete from governance_waiver")


def test_break_glass_takes_two_people_one_digest_one_environment_and_four_hours(house: make.House):
    now = changes.database_clock()
    insert = """insert into governance_breakglass (subject_kind, subject_id, digest, environment, reason, owner_team_ids, hours, opened_by_id, review_note)
      values ('thing', 'x', %s, 'production', 'fire', '{}', %s, %s, '') returning id"""
    refused("break_glass_at_most_four_hours", insert, OTHER, 5, house.owner.pk)
    case = run(insert, OTHER, 4, house.owner.pk)[0][0]
    confirm = "update governance_breakglass set confirmed_by_id = %s, starts_at = %s, ends_at = %s where id = %s"
    refused("break_glass_takes_two_people", confirm, house.owner.pk, now, now + timedelta(hours=4), case)
    refused("break_glass_window_at_most_four_hours", confirm, house.releaser.pk, now, now + timedelta(hours=5), case)
    approve = """insert into governance_approval (origin, break_glass_id, revision, subject_kind, subject_id, digest, environment, subject_digest, diff_digest, impact_digest,
      policy_digest, seats, approver_ids, used_by_text, void_reason, valid_from, valid_until) values ('break_glass', %s, 1, 'thing', 'x', %s, %s, '', '', '', '', '[]', '{}', '', '', %s, %s)"""
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, now + timedelta(hours=1))
    run(confirm, house.releaser.pk, now, now + timedelta(hours=4), case)
    refused("break_glass_is_immutable", "update governance_breakglass set digest = %s", "sha256:" + "a" * 64)
    refused(
        "break_glass_is_immutable",
        "update governance_breakglass set ends_at = ends_at + interval '1 minute', starts_at = starts_at + interval '1 minute'",
    )
    refused("break_glass_binds_one_digest", approve, case, "sha256:" + "a" * 64, "production", now, now + timedelta(hours=1))
    refused("break_glass_binds_one_digest", approve, case, OTHER, "staging", now, now + timedelta(hours=1))
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, now + timedelta(hours=9))
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, None)
    run(approve, case, OTHER, "production", now, now + timedelta(hours=4))
    refused("break_glass_is_kept", "delete from governance_breakglass")
    refused(
        "break_glass_reviewed_by_another", "update governance_breakglass set reviewed_by_id = opened_by_id, reviewed_at = now()"
    )


def test_an_open_debt_stops_the_next_normal_change_of_the_owner_by_hand_too(house: make.House):
    subject = make.thing()
    now = changes.database_clock()
    case = BreakGlass.objects.create(
        subject_kind="thing",
        subject_id="price-feed",
        digest=subject.digest,
        environment="production",
        reason="fire",
        owner_team_ids=[make.team("price").pk],
        opened_by=house.owner,
    )
    BreakGlass.objects.filter(pk=case.pk).update(confirmed_by=house.releaser, starts_at=now, ends_at=now + timedelta(hours=1))
    draft = make.draft(house.author)
    revisions.derive(draft, revisions.assessed(draft, changes.subjects_of(draft)))
    refused(
        "break_glass_debt_is_open",
        "update governance_changerequest set state = 'in_review', submitter_id = author_id, submitted_at = now() where id = %s",
        draft.pk,
    )


def test_a_granted_waiver_settles_exactly_its_finding_until_it_expires(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking("/price") | {"breaking": False}]
    change = make.in_review(house.author)
    arguments = {
        "actor": house.author,
        "rule": "thing.sound",
        "subject": Subject("thing", "price-feed", ""),
        "environment": "production",
        "reason": "Kiosk images are frozen.",
    }
    grant = waivers.propose(pointer="/price", expires_at=clock.now() + timedelta(days=30), **arguments)
    assert run("select check_id from governance_blocking_check where change_id = %s", change.pk) == [("thing.sound",)]
    run("set session_replication_role = replica")
    run("update governance_waiver set state = 'granted'")
    run("set session_replication_role = origin")
    assert run("select check_id from governance_blocking_check where change_id = %s", change.pk) == []
    run("set session_replication_role = replica")
    run("update governance_waiver set starts_at = now() - interval '2 days', expires_at = now()")
    run("set session_replication_role = origin")
    assert run("select check_id from governance_blocking_check where change_id = %s", change.pk) == [("thing.sound",)]
    assert Waiver.objects.get().state == "granted"
    assert grant.state == "in_review"


def test_a_seal_that_rested_on_a_waiver_falls_when_it_is_revoked_and_does_not_hold_when_it_expired(house: make.House):
    make.THINGS.failing["price-feed"] = [make.breaking("/price") | {"breaking": False}]
    change = make.in_review(house.author)
    waivers.propose(
        pointer="/price", expires_at=clock.now() + timedelta(days=30), actor=house.author, rule="thing.sound", subject=Subject("thing", "price-feed", ""),
        environment="production", reason="Kiosk images are frozen.",
    )  # fmt: skip
    run("set session_replication_role = replica")
    run("update governance_waiver set state = 'granted', starts_at = starts_at - interval '1 day'")
    run("set session_replication_role = origin")
    assert make.approve(change, house.owner, house.architect).state == "approved"
    subject = changes.subjects_of(change)[0]
    assert approvals.require(subject, subject.digest, "production")
    run("set session_replication_role = replica")
    run("update governance_waiver set expires_at = now()")
    run("set session_replication_role = origin")
    with pytest.raises(NotApproved) as caught:
        approvals.require(subject, subject.digest, "production")
    assert [u["code"] for u in caught.value.unmet] == ["check.blocking"]
    waivers.revoke(Waiver.objects.get().pk, actor=house.author)
    assert Approval.objects.get(change=change).void_reason == "a waiver was revoked"


def test_an_acceptance_is_bound_to_the_difference_and_to_who_may_give_it(house: make.House, change: ChangeRequest):
    insert = """insert into governance_breakacceptance (change_id, revision, rule, pointer, kind, reason, migrate_by, person_id, group_ids_needed, diff_digest)
      values (%s, 1, 'r', '', %s, 'because', null, %s, %s, %s)"""
    architects = json.dumps([make.team("architects").pk])
    refused("acceptance_binds_what_is_present", insert, change.pk, "benign", house.architect.pk, architects, OTHER)
    refused("acceptance_needs_a_right", insert, change.pk, "benign", house.stranger.pk, architects, change.diff_digest)
    refused(
        "acceptance_needs_a_right",
        insert,
        change.pk,
        "benign",
        house.author.pk,
        json.dumps([make.team("price").pk]),
        change.diff_digest,
    )
    refused("truly_breaking_needs_a_date", insert, change.pk, "breaking", house.architect.pk, architects, change.diff_digest)
    run(insert, change.pk, "benign", house.architect.pk, architects, change.diff_digest)
    refused("acceptance_is_kept", "delete from governance_breakacceptance")
    refused("acceptance_is_append_only", "update governance_breakacceptance set pointer = '/other'")


def test_a_used_approval_stays_when_the_world_moves_on_and_can_still_be_voided(house: make.House):
    change = make.approved(house)
    approval = Approval.objects.get(change=change)
    approvals.mark_used(approval.pk, actor=house.releaser)
    refused("change_is_closed", "update governance_changesubject set digest = %s where change_id = %s", OTHER, change.pk)
    refused("change_is_closed", "update governance_changerequest set diff_digest = %s where id = %s", OTHER, change.pk)
    approvals.void(approval.pk, actor=house.releaser, reason="It hurts.")
    assert run("select count(*) from governance_valid_approval") == [(0,)]
