-- Decisions: one person, bound to the digests of the change as it is now, with the right to fill one of its slots.

create or replace function governance_decision_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  if tg_op = 'DELETE' then
    perform governance_refuse('decision_is_kept', 'a decision is never deleted');
  end if;
  if tg_op = 'UPDATE' then
    if old.voided_at is not null
       or new.voided_at is null
       or (to_jsonb(new) - 'voided_at' - 'void_reason') <> (to_jsonb(old) - 'voided_at' - 'void_reason') then
      perform governance_refuse('decision_is_append_only', 'a decision can only be voided, once');
    end if;
    return new;
  end if;
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state <> 'in_review' then
    perform governance_refuse('decision_needs_a_review', format('change %s is %s', c.id, c.state));
  end if;
  if new.voided_at is not null then
    perform governance_refuse('decision_starts_live', 'a decision is not voided at birth');
  end if;
  if new.revision <> c.revision
     or new.subject_digest <> c.subject_digest
     or new.diff_digest <> c.diff_digest
     or new.impact_digest <> c.impact_digest
     or new.policy_digest <> c.policy_digest
     or c.subject_digest = ''
     or c.diff_digest = ''
     or c.impact_digest = ''
     or c.policy_digest = '' then
    perform governance_refuse('decision_binds_what_is_present',
                              'the decision is about other digests than the present ones');
  end if;
  if governance_is_party(new.change_id, new.person_id) then
    perform governance_refuse('decision_separation_of_duties',
                              'author, submitter and contributors do not decide on their own change');
  end if;
  if exists (select from governance_decision d
              where d.change_id = c.id
                and d.revision = c.revision
                and d.voided_at is null
                and d.person_id <> new.person_id
                and d.person_id = any(kernel_accounts_of(new.person_id))) then
    perform governance_refuse('one_live_decision_per_person',
                              'this person has decided on the change by another account');
  end if;
  perform governance_hold_rights(array[new.person_id]);
  new.at := clock_timestamp();
  if not exists (select from governance_slot s
                  where s.change_id = c.id
                    and s.revision = c.revision
                    and s.policy_digest = c.policy_digest
                    and governance_may_fill(s.group_ids, c.id, new.person_id, new.at)) then
    perform governance_refuse('decision_needs_a_right', 'this person can fill no slot of the change');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update or delete on governance_decision
  for each row execute function governance_decision_guard();

create or replace function governance_decision_voided() returns trigger language plpgsql as $$
begin
  if old.voided_at is null and new.voided_at is not null then
    -- A seal that is under way has this lock: wait for it, then look.
    perform 1 from governance_changerequest c where c.id = new.change_id for update;
    update governance_approval
       set voided_at = clock_timestamp(), void_reason = 'a decision it rests on was voided'
     where change_id = new.change_id
       and voided_at is null
       and used_at is null
       and new.person_id = any(approver_ids);
    if found then
      update governance_changerequest
         set state = 'in_review'
       where id = new.change_id
         and state = 'approved';
    end if;
  end if;
  return null;
end $$;
create or replace trigger voided after update on governance_decision
  for each row execute function governance_decision_voided();
