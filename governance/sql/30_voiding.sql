-- When something that was decided on changes, the decisions about it become void in the same transaction.

create or replace function governance_void(change bigint, reason text) returns void language plpgsql as $$
begin
  update governance_approval
     set voided_at = clock_timestamp(), void_reason = reason
   where change_id = change
     and voided_at is null;
  update governance_decision
     set voided_at = clock_timestamp(), void_reason = reason
   where change_id = change
     and voided_at is null;
  update governance_breakacceptance
     set voided_at = clock_timestamp()
   where change_id = change
     and voided_at is null;
end $$;

-- A row of a change's subjects was written or deleted.
create or replace function governance_subject_moved() returns trigger language plpgsql as $$
declare
  change bigint := coalesce(new.change_id, old.change_id);
  state text;
begin
  if tg_op = 'UPDATE' and new.change_id <> old.change_id then
    perform governance_refuse('subject_stays_with_its_change', 'a subject does not move to another change');
  end if;
  select c.state into state from governance_changerequest c where c.id = change for update;
  if state in ('applied', 'rejected', 'withdrawn') then
    perform governance_refuse('change_is_closed', 'a closed change does not move');
  end if;
  perform governance_void(change, 'the subject changed');
  update governance_changerequest c
     set subject_digest = governance_subject_digest(change),
         state = case when c.state = 'approved' then 'in_review' else c.state end
   where c.id = change;
  return null;
end $$;
create or replace trigger moved after insert or update of change_id, kind, subject_id, digest or delete
  on governance_changesubject
  for each row execute function governance_subject_moved();

-- A person who contributes becomes a party of the change: what this person decided on it before is void.
create or replace function governance_contributor_added() returns trigger language plpgsql as $$
begin
  perform 1 from governance_changerequest c where c.id = new.change_id for update;
  update governance_approval
     set voided_at = clock_timestamp(), void_reason = 'an approver contributed to the change'
   where change_id = new.change_id
     and new.person_id = any(approver_ids)
     and voided_at is null
     and used_at is null;
  if found then
    update governance_changerequest
       set state = 'in_review'
     where id = new.change_id
       and state = 'approved';
  end if;
  update governance_decision
     set voided_at = clock_timestamp(), void_reason = 'this person contributed to the change'
   where change_id = new.change_id
     and person_id = new.person_id
     and voided_at is null;
  update governance_breakacceptance
     set voided_at = clock_timestamp()
   where change_id = new.change_id
     and person_id = new.person_id
     and voided_at is null;
  return null;
end $$;
create or replace trigger added after insert on governance_contributor
  for each row execute function governance_contributor_added();
