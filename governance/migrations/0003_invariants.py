"""The invariants of decisions, held by the database itself, whoever speaks to it.

Every refusal has SQLSTATE 23000 and a constraint name, so that it reads the same from Django, psql or another tool. Serialised by a
row lock on the change: a decision, a new digest and a seal of the same change never interleave.
"""

from django.db import migrations

DIGESTS = r"""
create function governance_refuse(name text, message text) returns void language plpgsql as $$
begin
  raise exception '%', message using errcode = 'integrity_constraint_violation', constraint = name;
end $$;

create function governance_subject_digest(change bigint) returns text language sql stable as $$
  select case count(*) when 0 then '' when 1 then max(digest)
    else 'sha256:' || encode(sha256(convert_to(string_agg(kind || E'\n' || subject_id || E'\n' || digest || E'\n', ''
                             order by kind collate "C", subject_id collate "C"), 'UTF8')), 'hex') end
    from governance_changesubject where change_id = change
$$;

-- Without an active policy of the organisation there is no policy digest, and nothing can be submitted.
create function governance_policy_digest(levels text[]) returns text language sql stable as $$
  select case when bool_or(level = 'organisation')
    then 'sha256:' || encode(sha256(convert_to(string_agg(level || ':' || digest || E'\n', '' order by level collate "C"), 'UTF8')), 'hex')
    else '' end
    from governance_policy where state = 'active' and level = any(levels)
$$;
"""

RIGHTS = r"""
create function governance_is_party(change bigint, person bigint) returns boolean language sql stable as $$
  select exists (select from governance_changerequest c where c.id = change and (c.author_id = person or c.submitter_id = person))
      or exists (select from governance_contributor c where c.change_id = change and c.person_id = person)
$$;

-- Membership is read now; a delegation counts if it was in force at the moment of the decision and was not taken back.
create function governance_may_fill(groups int[], change bigint, person bigint, at timestamptz) returns boolean language sql stable as $$
  select exists (select from kernel_user u where u.id = person and u.is_active and u.kind = 'person')
     and not governance_is_party(change, person)
     and (exists (select from kernel_user_groups m where m.user_id = person and m.group_id = any(groups))
       or exists (select from governance_delegation d
                    join kernel_user_groups m on m.user_id = d.delegator_id and m.group_id = d.group_id
                    join kernel_user f on f.id = d.delegator_id and f.is_active and f.kind = 'person'
                   where d.delegate_id = person and d.group_id = any(groups) and d.revoked_at is null
                     and d.starts_at <= at and at < d.ends_at and not governance_is_party(change, d.delegator_id)))
$$;

-- Whoever takes a right away waits for us, or we see that it is gone.
create function governance_hold_rights(persons bigint[]) returns void language plpgsql as $$
begin
  perform 1 from kernel_user where id = any(persons) order by id for share;
  perform 1 from kernel_user_groups where user_id = any(persons) order by id for share;
  perform 1 from governance_delegation where delegate_id = any(persons) order by id for share;
end $$;
"""

VOIDING = r"""
create function governance_void(change bigint, reason text) returns void language plpgsql as $$
begin
  update governance_approval set voided_at = clock_timestamp(), void_reason = reason where change_id = change and voided_at is null;
  update governance_decision set voided_at = clock_timestamp(), void_reason = reason where change_id = change and voided_at is null;
  update governance_breakacceptance set voided_at = clock_timestamp() where change_id = change and voided_at is null;
end $$;

create function governance_change_guard() returns trigger language plpgsql as $$
declare
  moved boolean;
begin
  if tg_op = 'INSERT' then
    if new.state <> 'draft' then perform governance_refuse('change_starts_as_draft', 'a change starts as a draft'); end if;
    new.subject_digest := '';
    new.policy_digest := governance_policy_digest(new.policy_levels);
    return new;
  end if;
  if new.author_id <> old.author_id or new.kind <> old.kind or (old.submitter_id is not null and new.submitter_id is distinct from old.submitter_id) then
    perform governance_refuse('change_keeps_its_author', 'author, submitter and kind of a change do not change');
  end if;
  if old.state in ('applied', 'rejected', 'withdrawn') then
    if new.state <> old.state or new.environment <> old.environment or new.revision <> old.revision or new.diff_digest <> old.diff_digest
       or new.impact_digest <> old.impact_digest or new.subject_digest <> old.subject_digest or new.policy_digest <> old.policy_digest then
      perform governance_refuse('change_is_closed', 'a closed change does not move');
    end if;
    return new;
  end if;
  new.subject_digest := governance_subject_digest(new.id);
  new.policy_digest := governance_policy_digest(new.policy_levels);
  moved := (new.subject_digest, new.diff_digest, new.impact_digest, new.policy_digest, new.environment, new.revision)
    is distinct from (old.subject_digest, old.diff_digest, old.impact_digest, old.policy_digest, old.environment, old.revision);
  if moved and old.state = 'approved' and new.state = 'approved' then new.state := 'in_review'; end if;
  if new.state <> old.state then
    if not ((old.state = 'draft' and new.state in ('in_review', 'withdrawn'))
         or (old.state = 'in_review' and new.state in ('approved', 'rejected', 'withdrawn'))
         or (old.state = 'approved' and new.state in ('in_review', 'applied', 'withdrawn'))) then
      perform governance_refuse('change_moves_along_its_states', format('a change does not go from %s to %s', old.state, new.state));
    end if;
    if old.state = 'draft' and new.state = 'in_review' then
      if new.subject_digest = '' or new.diff_digest = '' or new.impact_digest = '' or new.policy_digest = ''
         or not exists (select from governance_slot s where s.change_id = new.id and s.revision = new.revision)
         or not exists (select from governance_checkresult r where r.change_id = new.id and r.revision = new.revision) then
        perform governance_refuse('change_needs_evidence', 'without subject, difference, impact set, policy, slots and checks there is nothing to review');
      end if;
      if exists (select from governance_breakglass b where b.confirmed_by_id is not null and b.reviewed_at is null and b.owner_team_ids && new.owner_team_ids) then
        perform governance_refuse('break_glass_debt_is_open', 'the owner team has a break-glass use that nobody has reviewed yet');
      end if;
    end if;
    if old.state = 'draft' and new.state = 'in_review' and new.submitter_id is null then
      perform governance_refuse('change_beyond_draft_has_a_submitter', 'a submitted change has a submitter');
    end if;
    if new.state in ('approved', 'applied') and exists (
         select from governance_changesubject s where s.change_id = new.id and not exists (
           select from governance_approval a where a.change_id = new.id and a.voided_at is null and a.subject_kind = s.kind
              and a.subject_id = s.subject_id and a.digest = s.digest and a.environment = new.environment)) then
      perform governance_refuse('change_needs_its_approval', 'a change is approved when every subject has a sealed approval');
    end if;
  end if;
  return new;
end $$;

create function governance_change_moved() returns trigger language plpgsql as $$
declare
  reason text;
begin
  if old.state in ('applied', 'rejected', 'withdrawn') then return null; end if;
  reason := case
    when new.subject_digest <> old.subject_digest then 'the subject changed'
    when new.diff_digest <> old.diff_digest then 'the difference changed'
    when new.impact_digest <> old.impact_digest then 'the impact set grew'
    when new.policy_digest <> old.policy_digest then 'the policy changed'
    when new.environment <> old.environment then 'the environment changed'
    when new.revision <> old.revision then 'a new revision began' end;
  if reason is not null then
    perform governance_void(new.id, reason);
  elsif new.state in ('rejected', 'withdrawn') then
    update governance_approval set voided_at = clock_timestamp(), void_reason = 'the change was ' || new.state where change_id = new.id and voided_at is null;
  end if;
  return null;
end $$;

create trigger guard before insert or update on governance_changerequest for each row execute function governance_change_guard();
create trigger moved after update on governance_changerequest for each row execute function governance_change_moved();
create trigger no_delete before delete on governance_changerequest for each row execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_changerequest for each statement execute function kernel_refuse_change();

create function governance_subject_moved() returns trigger language plpgsql as $$
declare
  change bigint := coalesce(new.change_id, old.change_id);
  state text;
begin
  if tg_op = 'UPDATE' and new.change_id <> old.change_id then perform governance_refuse('subject_stays_with_its_change', 'a subject does not move to another change'); end if;
  select c.state into state from governance_changerequest c where c.id = change for update;
  if state in ('applied', 'rejected', 'withdrawn') then perform governance_refuse('change_is_closed', 'a closed change does not move'); end if;
  perform governance_void(change, 'the subject changed');
  update governance_changerequest c set subject_digest = governance_subject_digest(change), state = case when c.state = 'approved' then 'in_review' else c.state end
   where c.id = change;
  return null;
end $$;
create trigger moved after insert or update of change_id, kind, subject_id, digest or delete on governance_changesubject
  for each row execute function governance_subject_moved();
create trigger no_truncate before truncate on governance_changesubject for each statement execute function kernel_refuse_change();

create function governance_contributor_added() returns trigger language plpgsql as $$
begin
  perform 1 from governance_changerequest c where c.id = new.change_id for update;
  update governance_approval set voided_at = clock_timestamp(), void_reason = 'an approver contributed to the change'
   where change_id = new.change_id and new.person_id = any(approver_ids) and voided_at is null and used_at is null;
  if found then
    update governance_changerequest set state = 'in_review' where id = new.change_id and state = 'approved';
  end if;
  update governance_decision set voided_at = clock_timestamp(), void_reason = 'this person contributed to the change'
   where change_id = new.change_id and person_id = new.person_id and voided_at is null;
  update governance_breakacceptance set voided_at = clock_timestamp() where change_id = new.change_id and person_id = new.person_id and voided_at is null;
  return null;
end $$;
create trigger added after insert on governance_contributor for each row execute function governance_contributor_added();

create trigger append_only before update or delete on governance_contributor for each row execute function kernel_refuse_change();
create trigger append_only before update or delete on governance_slot for each row execute function kernel_refuse_change();
create trigger append_only before update or delete on governance_changeevent for each row execute function kernel_refuse_change();
create trigger append_only before update or delete on governance_verdict for each row execute function kernel_refuse_change();
create trigger no_delete before delete on governance_checkresult for each row execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_contributor for each statement execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_slot for each statement execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_changeevent for each statement execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_verdict for each statement execute function kernel_refuse_change();
create trigger no_truncate before truncate on governance_checkresult for each statement execute function kernel_refuse_change();

create function governance_slot_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state not in ('draft', 'in_review') or new.revision <> c.revision then
    perform governance_refuse('slot_belongs_to_the_present_revision', 'slots are derived for the present revision of an open change');
  end if;
  if new.policy_digest <> c.policy_digest then perform governance_refuse('slot_follows_the_policy', 'the slot was derived from another policy'); end if;
  return new;
end $$;
create trigger guard before insert on governance_slot for each row execute function governance_slot_guard();
"""

CHECKS = r"""
-- A finding is settled by a granted waiver in force for exactly this rule, pointer, subject and environment, or by a live acceptance.
create function governance_finding_settled(change bigint, rule_id text, place text) returns boolean language sql stable as $$
  select exists (select from governance_waiver w join governance_changerequest c on c.id = change
                   join governance_changesubject s on s.change_id = c.id and s.kind = w.subject_kind and s.subject_id = w.subject_id
                  where w.rule = rule_id and w.pointer = place and w.environment = c.environment and w.state = 'granted'
                    and w.starts_at <= clock_timestamp() and clock_timestamp() < w.expires_at)
      or exists (select from governance_breakacceptance b join governance_changerequest c on c.id = change
                  where b.change_id = change and b.revision = c.revision and b.diff_digest = c.diff_digest
                    and b.rule = rule_id and b.pointer = place and b.voided_at is null)
$$;

create view governance_blocking_check as
  select c.id as change_id, r.check_id, r.status::text as status,
         case when r.subject_digest <> c.subject_digest then 'judged another digest'
              when r.status = 'not_run' then 'has not run' else 'failed' end as reason
    from governance_changerequest c join governance_checkresult r on r.change_id = c.id and r.revision = c.revision
   where r.subject_digest <> c.subject_digest
      or r.status = 'not_run'
      or (r.status = 'failed' and (
            not exists (select from jsonb_array_elements(r.findings) f where f ->> 'level' = 'error')
         or exists (select from jsonb_array_elements(r.findings) f where f ->> 'level' = 'error'
                      and not governance_finding_settled(c.id, f ->> 'rule', coalesce(f ->> 'pointer', '')))));

-- Takes the change's lock first, like every other step: a check that flips and a seal never pass each other unseen.
create function governance_check_changed() returns trigger language plpgsql as $$
declare
  state text;
begin
  if new.change_id <> old.change_id or new.revision <> old.revision or new.check_id <> old.check_id then
    perform governance_refuse('check_result_stays_in_place', 'a check result keeps its change, revision and check');
  end if;
  select c.state into state from governance_changerequest c where c.id = new.change_id for update;
  if state in ('applied', 'rejected', 'withdrawn') then
    perform governance_refuse('change_is_closed', 'a closed change does not move');
  end if;
  return new;
end $$;
create trigger guard before update on governance_checkresult for each row execute function governance_check_changed();

-- An approved change that has a blocking check again goes back into review.
create function governance_recheck(change bigint, reason text) returns void language plpgsql as $$
begin
  perform 1 from governance_changerequest c where c.id = change for update;
  if exists (select from governance_changerequest c where c.id = change and c.state = 'approved')
     and exists (select from governance_blocking_check b where b.change_id = change) then
    update governance_approval set voided_at = clock_timestamp(), void_reason = reason where change_id = change and voided_at is null;
    update governance_changerequest set state = 'in_review' where id = change and state = 'approved';
  end if;
end $$;

create function governance_check_blocks_again() returns trigger language plpgsql as $$
begin
  perform governance_recheck(new.change_id, 'check ' || new.check_id || ' no longer passes');
  return null;
end $$;
create trigger blocks_again after update on governance_checkresult for each row execute function governance_check_blocks_again();

create function governance_acceptance_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    perform governance_recheck(new.change_id, 'an accepted difference is no longer accepted');
  end if;
  return null;
end $$;
create trigger voided after update on governance_breakacceptance for each row execute function governance_acceptance_voided();

create function governance_waiver_ended() returns trigger language plpgsql as $$
declare
  touched record;
begin
  if new.state = 'revoked' and old.state <> 'revoked' then
    for touched in select s.change_id from governance_changesubject s join governance_changerequest c on c.id = s.change_id and c.state in ('in_review', 'approved')
                    where s.kind = new.subject_kind and s.subject_id = new.subject_id order by s.change_id loop
      perform governance_recheck(touched.change_id, 'a waiver was revoked');
    end loop;
  end if;
  return null;
end $$;
create trigger ended after update on governance_waiver for each row execute function governance_waiver_ended();
"""

DECISIONS = r"""
create function governance_decision_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  if tg_op = 'DELETE' then perform governance_refuse('decision_is_kept', 'a decision is never deleted'); end if;
  if tg_op = 'UPDATE' then
    if old.voided_at is not null or new.voided_at is null
       or (to_jsonb(new) - 'voided_at' - 'void_reason') <> (to_jsonb(old) - 'voided_at' - 'void_reason') then
      perform governance_refuse('decision_is_append_only', 'a decision can only be voided, once');
    end if;
    return new;
  end if;
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review' then perform governance_refuse('decision_needs_a_review', format('change %s is %s', c.id, c.state)); end if;
  if new.voided_at is not null then perform governance_refuse('decision_starts_live', 'a decision is not voided at birth'); end if;
  if new.revision <> c.revision or new.subject_digest <> c.subject_digest or new.diff_digest <> c.diff_digest
     or new.impact_digest <> c.impact_digest or new.policy_digest <> c.policy_digest
     or c.subject_digest = '' or c.diff_digest = '' or c.impact_digest = '' or c.policy_digest = '' then
    perform governance_refuse('decision_binds_what_is_present', 'the decision is about other digests than the present ones');
  end if;
  if governance_is_party(new.change_id, new.person_id) then
    perform governance_refuse('decision_separation_of_duties', 'author, submitter and contributors do not decide on their own change');
  end if;
  perform governance_hold_rights(array[new.person_id]);
  new.at := clock_timestamp();
  if not exists (select from governance_slot s where s.change_id = c.id and s.revision = c.revision and s.policy_digest = c.policy_digest
                    and governance_may_fill(s.group_ids, c.id, new.person_id, new.at)) then
    perform governance_refuse('decision_needs_a_right', 'this person can fill no slot of the change');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_decision for each row execute function governance_decision_guard();
create trigger no_truncate before truncate on governance_decision for each statement execute function kernel_refuse_change();

create function governance_decision_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    -- A seal that is under way has this lock: wait for it, then look.
    perform 1 from governance_changerequest c where c.id = new.change_id for update;
    update governance_approval set voided_at = clock_timestamp(), void_reason = 'a decision it rests on was voided'
     where change_id = new.change_id and voided_at is null and used_at is null and new.person_id = any(approver_ids);
    if found then update governance_changerequest set state = 'in_review' where id = new.change_id and state = 'approved'; end if;
  end if;
  return null;
end $$;
create trigger voided after update on governance_decision for each row execute function governance_decision_voided();

create function governance_acceptance_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  if tg_op = 'DELETE' then perform governance_refuse('acceptance_is_kept', 'an acceptance is never deleted'); end if;
  if tg_op = 'UPDATE' then
    if old.voided_at is not null or new.voided_at is null or (to_jsonb(new) - 'voided_at') <> (to_jsonb(old) - 'voided_at') then
      perform governance_refuse('acceptance_is_append_only', 'an acceptance can only be voided, once');
    end if;
    return new;
  end if;
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review' or new.revision <> c.revision or new.diff_digest <> c.diff_digest or c.diff_digest = '' or new.voided_at is not null then
    perform governance_refuse('acceptance_binds_what_is_present', 'the acceptance is about another revision or difference');
  end if;
  perform governance_hold_rights(array[new.person_id]);
  new.at := clock_timestamp();
  if not governance_may_fill(array(select jsonb_array_elements_text(new.group_ids_needed)::int), c.id, new.person_id, new.at) then
    perform governance_refuse('acceptance_needs_a_right', 'this person may not accept the finding in this way');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_breakacceptance for each row execute function governance_acceptance_guard();
create trigger no_truncate before truncate on governance_breakacceptance for each statement execute function kernel_refuse_change();
"""

APPROVALS = r"""
create function governance_approval_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
  b governance_breakglass%rowtype;
  persons bigint[];
begin
  if tg_op = 'DELETE' then perform governance_refuse('approval_is_kept', 'an approval is never deleted'); end if;
  if tg_op = 'UPDATE' then
    if (to_jsonb(new) - '{voided_at,void_reason,used_at,used_by_text}'::text[]) <> (to_jsonb(old) - '{voided_at,void_reason,used_at,used_by_text}'::text[])
       or (old.voided_at is not null and (new.voided_at, new.void_reason, new.used_at) is distinct from (old.voided_at, old.void_reason, old.used_at))
       or (old.used_at is not null and new.used_at is distinct from old.used_at) then
      perform governance_refuse('approval_is_immutable', 'an approval can only be used or voided, once each');
    end if;
    return new;
  end if;
  if new.voided_at is not null or new.used_at is not null then perform governance_refuse('approval_starts_live', 'an approval is neither used nor void at birth'); end if;
  if new.origin = 'break_glass' then
    select * into b from governance_breakglass where id = new.break_glass_id for update;
    if b.confirmed_by_id is null or b.confirmed_by_id = b.opened_by_id or new.subject_kind <> b.subject_kind or new.subject_id <> b.subject_id
       or new.digest <> b.digest or new.environment <> b.environment or new.valid_until is null or new.valid_until > b.ends_at
       or new.valid_from < b.starts_at or new.valid_until > clock_timestamp() + interval '4 hours' then
      perform governance_refuse('break_glass_binds_one_digest', 'break-glass covers one digest in one environment for at most four hours, confirmed by a second person');
    end if;
    return new;
  end if;
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review' then perform governance_refuse('approval_needs_a_review', format('change %s is %s', c.id, c.state)); end if;
  if new.revision <> c.revision or new.environment <> c.environment or new.subject_digest <> c.subject_digest or new.diff_digest <> c.diff_digest
     or new.impact_digest <> c.impact_digest or new.policy_digest <> c.policy_digest or c.policy_digest = '' or c.policy_digest <> governance_policy_digest(c.policy_levels)
     or not exists (select from governance_changesubject s where s.change_id = c.id and s.kind = new.subject_kind and s.subject_id = new.subject_id and s.digest = new.digest) then
    perform governance_refuse('approval_binds_what_is_present', 'the approval is about other digests than the present ones');
  end if;
  select coalesce(array_agg((s ->> 'person')::bigint order by (s ->> 'person')::bigint), '{}') into persons from jsonb_array_elements(new.seats) s;
  if new.approver_ids <> persons or cardinality(persons) = 0 or (select count(distinct p) from unnest(persons) p) <> cardinality(persons) then
    perform governance_refuse('one_person_one_slot', 'every seat is filled by a person of its own');
  end if;
  if exists (select from governance_slot s where s.change_id = c.id and s.revision = c.revision
                and not exists (select from jsonb_array_elements(new.seats) e where (e ->> 'slot')::bigint = s.id))
     or (select count(*) from governance_slot s where s.change_id = c.id and s.revision = c.revision) <> jsonb_array_length(new.seats) then
    perform governance_refuse('approval_needs_every_slot', 'not every slot of the change is filled');
  end if;
  perform governance_hold_rights(persons);
  if exists (select from jsonb_array_elements(new.seats) e
              left join governance_slot s on s.id = (e ->> 'slot')::bigint and s.change_id = c.id and s.revision = c.revision and s.policy_digest = c.policy_digest
              left join governance_decision d on d.id = (e ->> 'decision')::bigint and d.change_id = c.id and d.revision = c.revision
                    and d.person_id = (e ->> 'person')::bigint and d.voided_at is null and d.outcome = 'approve'
                    and (d.subject_digest, d.diff_digest, d.impact_digest, d.policy_digest) = (c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest)
             where s.id is null or d.id is null or governance_is_party(c.id, d.person_id) or not governance_may_fill(s.group_ids, c.id, d.person_id, d.at)) then
    perform governance_refuse('approval_rests_on_live_decisions', 'a seat is not filled by a live decision of a person who may fill it');
  end if;
  if exists (select from governance_decision d where d.change_id = c.id and d.voided_at is null and d.outcome <> 'approve') then
    perform governance_refuse('approval_over_an_objection', 'somebody rejected the change or asked for changes');
  end if;
  if not exists (select from governance_checkresult r where r.change_id = c.id and r.revision = c.revision)
     or exists (select from governance_blocking_check k where k.change_id = c.id) then
    perform governance_refuse('approval_with_blocking_checks', 'a check failed or has not run');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_approval for each row execute function governance_approval_guard();
create trigger no_truncate before truncate on governance_approval for each statement execute function kernel_refuse_change();

create function governance_approval_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    insert into kernel_outboxevent (topic, key, payload, request_id, created_at, available_at, attempts, last_error)
    values ('governance.approval_voided', new.subject_id, jsonb_build_object('approval', new.id, 'change', new.change_id, 'subject_kind', new.subject_kind,
            'subject_id', new.subject_id, 'digest', new.digest, 'environment', new.environment, 'reason', new.void_reason), '', now(), now(), 0, '');
  end if;
  return null;
end $$;
create trigger voided after update on governance_approval for each row execute function governance_approval_voided();
"""

OTHERS = r"""
alter table governance_waiver add constraint waiver_at_most_90_days check (expires_at - starts_at <= interval '90 days');
alter table governance_breakglass add constraint break_glass_window_at_most_four_hours check (ends_at - starts_at <= interval '4 hours');

create function governance_waiver_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then perform governance_refuse('waiver_is_kept', 'a waiver is never deleted'); end if;
  if tg_op = 'INSERT' then
    if new.state <> 'proposed' then perform governance_refuse('waiver_starts_as_proposed', 'a waiver starts as a proposal'); end if;
    return new;
  end if;
  if (to_jsonb(new) - '{state,granted_at,revoked_at,revoked_by_id}'::text[]) <> (to_jsonb(old) - '{state,granted_at,revoked_at,revoked_by_id}'::text[])
     or (old.state = 'revoked') or (old.state = 'granted' and new.state <> 'revoked') then
    perform governance_refuse('waiver_is_immutable', 'a waiver can only be granted and revoked, once each');
  end if;
  if new.state = 'granted' and old.state = 'proposed' and not exists (
       select from governance_valid_approval a where a.subject_kind = 'waiver' and a.subject_id = new.id::text and a.digest = new.digest and a.environment = new.environment) then
    perform governance_refuse('waiver_needs_its_approval', 'a waiver is granted by an approval of exactly this waiver');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_waiver for each row execute function governance_waiver_guard();
create trigger no_truncate before truncate on governance_waiver for each statement execute function kernel_refuse_change();

create function governance_breakglass_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then perform governance_refuse('break_glass_is_kept', 'a break-glass use is never deleted'); end if;
  if tg_op = 'INSERT' then
    if new.confirmed_by_id is not null or new.reviewed_by_id is not null then
      perform governance_refuse('break_glass_takes_two_people', 'a second person confirms afterwards');
    end if;
  else
    if (to_jsonb(new) - '{confirmed_by_id,starts_at,ends_at,reviewed_by_id,reviewed_at,review_note}'::text[])
       <> (to_jsonb(old) - '{confirmed_by_id,starts_at,ends_at,reviewed_by_id,reviewed_at,review_note}'::text[])
       or (old.confirmed_by_id is not null and (new.confirmed_by_id, new.starts_at, new.ends_at) is distinct from (old.confirmed_by_id, old.starts_at, old.ends_at))
       or (old.reviewed_at is not null and (new.reviewed_by_id, new.reviewed_at) is distinct from (old.reviewed_by_id, old.reviewed_at))
       or ((new.reviewed_at is null) <> (new.reviewed_by_id is null)) then
      perform governance_refuse('break_glass_is_immutable', 'a break-glass use is confirmed once and reviewed once, and nothing else of it changes');
    end if;
    if old.confirmed_by_id is null and new.confirmed_by_id is not null and new.starts_at < clock_timestamp() - interval '1 minute' then
      perform governance_refuse('break_glass_starts_now', 'break-glass starts when it is confirmed');
    end if;
  end if;
  if exists (select from kernel_user u where u.id in (new.opened_by_id, new.confirmed_by_id, new.reviewed_by_id) and u.kind <> 'person') then
    perform governance_refuse('break_glass_takes_two_people', 'break-glass is for people, not for service accounts');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_breakglass for each row execute function governance_breakglass_guard();
create trigger no_truncate before truncate on governance_breakglass for each statement execute function kernel_refuse_change();

create function governance_policy_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then perform governance_refuse('policy_is_kept', 'a policy version is never deleted'); end if;
  if tg_op = 'INSERT' then
    if new.state <> 'draft' then perform governance_refuse('policy_starts_as_draft', 'a policy version starts as a draft'); end if;
    return new;
  end if;
  if (to_jsonb(new) - '{state,activated_at,summary}'::text[]) <> (to_jsonb(old) - '{state,activated_at,summary}'::text[])
     or (old.state = 'superseded' and new.state <> 'superseded') or (old.state = 'active' and new.state = 'draft')
     or (old.state = 'draft' and new.state = 'superseded') then
    perform governance_refuse('policy_is_immutable', 'a policy version is activated once and superseded once; a change is a new version');
  end if;
  if new.state = 'active' and old.state = 'draft' and exists (select from governance_policy p where p.level = new.level and p.id <> new.id and p.state in ('active', 'superseded'))
     and not exists (select from governance_valid_approval a where a.subject_kind = 'policy' and a.subject_id = new.level and a.digest = new.digest) then
    perform governance_refuse('policy_needs_its_approval', 'a new policy version takes effect by an approved change');
  end if;
  return new;
end $$;
create trigger guard before insert or update or delete on governance_policy for each row execute function governance_policy_guard();
create trigger no_truncate before truncate on governance_policy for each statement execute function kernel_refuse_change();

-- The guard of the change recomputes the digest; the moved trigger voids what rested on the old one.
create function governance_policy_moved() returns trigger language plpgsql as $$
begin
  if new.state is distinct from old.state then
    update governance_changerequest c set policy_digest = governance_policy_digest(c.policy_levels)
     where c.state in ('draft', 'in_review', 'approved') and c.policy_levels && array[new.level]::varchar[];
  end if;
  return null;
end $$;
create trigger moved after update on governance_policy for each row execute function governance_policy_moved();
"""

BACKWARD = r"""
drop view governance_blocking_check cascade;
do $$ declare f record; t record; begin
  for t in select tgname, tgrelid::regclass as rel from pg_trigger where not tgisinternal and tgrelid::regclass::text like 'governance\_%' loop
    execute format('drop trigger %I on %s', t.tgname, t.rel);
  end loop;
  for f in select oid::regprocedure as sig from pg_proc where proname like 'governance\_%' loop
    execute format('drop function %s cascade', f.sig);
  end loop;
end $$;
alter table governance_waiver drop constraint waiver_at_most_90_days;
alter table governance_breakglass drop constraint break_glass_window_at_most_four_hours;
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0002_views"), ("kernel", "0002_ledger_guards")]

    operations = [migrations.RunSQL("\n".join([DIGESTS, RIGHTS, VOIDING, CHECKS, DECISIONS, APPROVALS, OTHERS]), BACKWARD)]
