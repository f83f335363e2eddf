"""Approvals for tests of the runtime: sealed by one person in one slot, without a change request around them."""

from __future__ import annotations

from typing import Any, Final

APPROVAL: Final = """
with team as (
  insert into auth_group (name) values ('approvers') on conflict (name) do update set name = excluded.name returning id
), approver as (
  insert into kernel_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                           date_joined, kind)
  values ('approver', '!', false, '', '', '', false, true, clock_timestamp(), 'person')
  on conflict (username) do update set is_active = true returning id
), member as (
  insert into kernel_user_groups (user_id, group_id) select approver.id, team.id from approver, team
  on conflict do nothing
), slot as (
  insert into governance_slot (change_id, revision, key, label, number, group_ids, why, policy_digest)
  select %(change)s, 1, 'owner', 'Owner', 1, array[team.id], '[]', '' from team returning id
), decision as (
  insert into governance_decision (change_id, revision, person_id, outcome, note, subject_digest, diff_digest,
                                   impact_digest, policy_digest, at, void_reason)
  select %(change)s, 1, approver.id, 'approve', '', '', '', '', '', clock_timestamp(), '' from approver returning id
)
insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, digest, environment,
                                 subject_digest, diff_digest, impact_digest, policy_digest, filled_slots, approver_ids,
                                 valid_from, used_by_text, void_reason)
select 'review', %(change)s, 1, %(kind)s, %(key)s, %(digest)s, %(environment)s, '', '', '', '',
       jsonb_build_array(jsonb_build_object('slot', slot.id, 'decision', decision.id, 'person', approver.id)),
       array[approver.id], clock_timestamp() - interval '1 minute', '', ''
  from slot, decision, approver
returning id
"""


def parameters(change: int, key: str, digest: str, environment: str, kind: str = "integration") -> dict[str, Any]:
    return {"change": change, "key": key, "digest": digest, "environment": environment, "kind": kind}


BIND: Final = "select runtime_bind_destinations(%s)"
"""As the trigger of a sealing does, where it was written beneath the triggers."""

END_FREEZE: Final = """
with told as (
  insert into kernel_auditentry (actor_text, verb, subject_kind, subject_id, reason, request_id)
  select 'a test', 'governance.freeze_ended', 'freeze', id::text, '', '' from governance_freezewindow where id = %s
  returning subject_id::bigint as id
)
update governance_freezewindow w set ended_at = clock_timestamp() from told where w.id = told.id
"""
