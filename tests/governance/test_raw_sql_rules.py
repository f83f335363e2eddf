"""G3, rules: policies, waivers, break-glass and acceptances tried with raw SQL."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import transaction

from governance.domain.subject import Subject
from governance.models import Approval, BreakGlass, ChangeRequest, Policy, Waiver
from governance.services import approvals, changes, policies, revisions, waivers
from kernel import audit, clock
from kernel.errors import NotApproved
from tests.governance import make
from tests.governance.raw_sql import OTHER, beneath_guards, refused, run

pytestmark = pytest.mark.django_db


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
    refused("policy_is_on_record", "set constraints all immediate")
    activated(team_policy)


def activated(policy: Policy) -> None:
    about = {"version": policy.version, "digest": policy.digest}
    audit.record("governance.policy_activated", "policy", policy.level, actor=None, after=about)


def test_a_policy_ends_only_where_a_later_one_of_its_level_takes_effect(house: make.House):
    """By hand with its entry, and by hand without one, nobody is left with fewer slots than before."""
    policies.install(level="team:price", document=make.POLICY, actor=None)
    run("set constraints all immediate")
    for level in ("team:price", "organisation"):
        refused("policy_is_succeeded", "update governance_policy set state = 'superseded' where level = %s", level)
    run("set constraints all deferred")


def test_a_waiver_is_granted_only_by_its_own_approval_and_lives_90_days_at_most(house: make.House):
    now = clock.now()
    insert = """insert into governance_waiver (rule, pointer, subject_kind, subject_id, environment, reason,
       starts_at, expires_at, state, digest, requested_by_id, subject_digest, seen_findings)
      values ('r', '', 'thing', 'x', 'production', %s, %s, %s, %s, %s, %s, 'sha256:1', null)"""
    refused(
        "waiver_at_most_90_days", insert, "because", now, now + timedelta(days=91), "proposed", OTHER, house.author.pk
    )
    refused("waiver_needs_a_reason", insert, " ", now, now + timedelta(days=9), "proposed", OTHER, house.author.pk)
    refused(
        "waiver_starts_as_proposed", insert, "because", now, now + timedelta(days=9), "granted", OTHER, house.author.pk
    )
    asked = ("because", now, now + timedelta(days=9), "proposed", OTHER, house.author.pk)
    refused("waiver_binds_what_is_present", insert.replace("'sha256:1'", "null"), *asked)
    refused("waiver_binds_what_is_present", insert.replace(", null)", ", '{}')"), *asked)
    run(insert, *asked)
    refused("waiver_is_immutable", "update governance_waiver set subject_digest = null")
    refused("waiver_is_immutable", "update governance_waiver set seen_findings = '[]'")
    refused("waiver_needs_its_approval", "update governance_waiver set state = 'granted'")
    refused("waiver_is_immutable", "update governance_waiver set expires_at = expires_at + interval '1 day'")
    refused("waiver_is_kept", "delete from governance_waiver")


def test_break_glass_takes_two_people_one_digest_one_environment_and_four_hours(house: make.House):
    now = changes.database_clock()
    insert = """insert into governance_breakglass (subject_kind, subject_id, digest, environment, reason,
       owner_team_ids, hours, opened_by_id, review_note)
      values ('thing', 'x', %s, 'production', 'fire',
        array[(select group_id from catalog_team where key = 'price')], %s, %s, '') returning id"""
    refused("break_glass_at_most_four_hours", insert, OTHER, 5, house.owner.pk)
    case = run(insert, OTHER, 4, house.owner.pk)[0][0]
    about = {"subject": "x", "digest": OTHER, "environment": "production"}
    audit.record("governance.break_glass_opened", "break_glass", case, actor=house.owner, after=about)
    confirm = "update governance_breakglass set confirmed_by_id = %s, starts_at = %s, ends_at = %s where id = %s"
    refused("break_glass_takes_two_people", confirm, house.owner.pk, now, now + timedelta(hours=4), case)
    refused("break_glass_window_at_most_four_hours", confirm, house.releaser.pk, now, now + timedelta(hours=5), case)
    approve = """insert into governance_approval (origin, break_glass_id, revision, subject_kind, subject_id, digest,
       environment, subject_digest, diff_digest, impact_digest,
      policy_digest, filled_slots, approver_ids, used_by_text, void_reason, valid_from, valid_until)
      values ('break_glass', %s, 1, 'thing', 'x', %s, %s, '', '', '', '', '[]', '{}', '', '', %s, %s)"""
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, now + timedelta(hours=1))
    run(confirm, house.releaser.pk, now, now + timedelta(hours=4), case)
    audit.record("governance.break_glass_confirmed", "break_glass", case, actor=house.releaser, after=about)
    refused("break_glass_is_immutable", "update governance_breakglass set digest = %s", "sha256:" + "a" * 64)
    refused(
        "break_glass_is_immutable",
        "update governance_breakglass "
        "set ends_at = ends_at + interval '1 minute', starts_at = starts_at + interval '1 minute'",
    )
    refused(
        "break_glass_binds_one_digest", approve, case, "sha256:" + "a" * 64, "production", now, now + timedelta(hours=1)
    )
    refused("break_glass_binds_one_digest", approve, case, OTHER, "staging", now, now + timedelta(hours=1))
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, now + timedelta(hours=9))
    refused("break_glass_binds_one_digest", approve, case, OTHER, "production", now, None)
    run(approve, case, OTHER, "production", now, now + timedelta(hours=4))
    refused("break_glass_is_kept", "delete from governance_breakglass")
    refused(
        "break_glass_reviewed_by_a_third",
        "update governance_breakglass set reviewed_by_id = opened_by_id, reviewed_at = now()",
    )


def test_an_open_debt_stops_the_next_normal_change_of_the_owner_by_hand_too(house: make.House):
    subject = make.thing()
    now = changes.database_clock()
    with beneath_guards():
        BreakGlass.objects.create(
            subject_kind="thing",
            subject_id="price-feed",
            digest=subject.digest,
            environment="production",
            reason="fire",
            owner_team_ids=[make.team("price").pk],
            opened_by=house.owner,
            confirmed_by=house.releaser,
            starts_at=now,
            ends_at=now + timedelta(hours=1),
        )
    draft = make.draft(house.author)
    revisions.derive(draft, revisions.assessed(draft, changes.subjects_of(draft)))
    refused(
        "break_glass_debt_is_open",
        "update governance_changerequest "
        "set state = 'in_review', submitter_id = author_id, submitted_at = now() "
        "where id = %s",
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
        pointer="/price",
        expires_at=clock.now() + timedelta(days=30),
        actor=house.author,
        rule="thing.sound",
        subject=Subject("thing", "price-feed", ""),
        environment="production",
        reason="Kiosk images are frozen.",
    )
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


TELL_ACCEPTANCE = """select from kernel_record(%s, 'by hand', 'governance.break_accepted', 'change', (%s::int)::text,
   null, jsonb_build_object('rule', 'r', 'pointer', '', 'as', %s::text), '', '')"""


def test_an_acceptance_is_bound_to_the_difference_and_to_who_may_give_it(house: make.House, change: ChangeRequest):
    insert = """insert into governance_breakacceptance (change_id, revision, rule, pointer, subject_kind, subject_id,
       kind, reason, migrate_by, person_id, group_ids_needed, diff_digest)
      values (%s, 1, 'r', '', 'thing', 'price-feed', %s, 'because', null, %s, %s, %s)"""
    nothing = insert.replace("price-feed", "stock-feed")
    architects = json.dumps([make.team("architects").pk])
    refused("acceptance_binds_what_is_present", insert, change.pk, "benign", house.architect.pk, architects, OTHER)
    given = (house.architect.pk, architects, change.diff_digest)
    refused("acceptance_names_a_subject", nothing, change.pk, "benign", *given)
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
    refused(
        "truly_breaking_needs_a_date", insert, change.pk, "breaking", house.architect.pk, architects, change.diff_digest
    )
    accept = (insert, change.pk, "benign", house.architect.pk, architects, change.diff_digest)
    at_once = "; set constraints all immediate"
    refused("acceptance_is_on_record", insert + at_once, *accept[1:])
    run(TELL_ACCEPTANCE, house.owner.pk, change.pk, "benign")  # in the name of somebody else
    refused("acceptance_is_on_record", insert + at_once, *accept[1:])
    run(TELL_ACCEPTANCE, house.architect.pk, change.pk, "correction")
    refused("acceptance_is_on_record", insert + at_once, *accept[1:])
    run(TELL_ACCEPTANCE, house.architect.pk, change.pk, "benign")
    run(*accept)
    run("set constraints all immediate")
    refused("acceptance_is_kept", "delete from governance_breakacceptance")
    refused("acceptance_is_append_only", "update governance_breakacceptance set pointer = '/other'")
