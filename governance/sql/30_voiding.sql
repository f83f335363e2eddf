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

-- What a person decided on a change, by any account, is void; what is in effect already stays.
create or replace function governance_void_of(change bigint, accounts bigint[], seal_reason text, reason text)
returns void language plpgsql as $$
begin
  update governance_approval
     set voided_at = clock_timestamp(), void_reason = seal_reason
   where change_id = change
     and approver_ids && accounts
     and voided_at is null
     and used_at is null;
  if found then
    update governance_changerequest
       set state = 'in_review'
     where id = change
       and state = 'approved';
  end if;
  update governance_decision
     set voided_at = clock_timestamp(), void_reason = reason
   where change_id = change
     and person_id = any(accounts)
     and voided_at is null;
  update governance_breakacceptance
     set voided_at = clock_timestamp()
   where change_id = change
     and person_id = any(accounts)
     and voided_at is null;
end $$;

-- A person who contributes becomes a party of the change: what this person decided on it before is void.
create or replace function governance_contributor_added() returns trigger language plpgsql as $$
begin
  perform 1 from governance_changerequest c where c.id = new.change_id for update;
  perform governance_void_of(new.change_id, kernel_accounts_of(new.person_id), 'an approver contributed to the change',
                             'this person contributed to the change');
  return null;
end $$;
create or replace trigger added after insert on governance_contributor
  for each row execute function governance_contributor_added();

-- Two accounts turn out to be one person's: what one of them decided on what the other one proposed is void, and so is
-- a seal in which both count. A seal that is under way has the locks of these accounts: wait for it, then look.
create or replace function governance_accounts_joined() returns trigger language plpgsql as $$
declare
  accounts bigint[];
  open record;
begin
  if tg_table_name = 'kernel_provedmail' then
    accounts := kernel_accounts_of((to_jsonb(new) ->> 'user_id')::bigint);
  else
    accounts := kernel_accounts_of(new.id);
  end if;
  if cardinality(accounts) < 2 then
    return null;
  end if;
  perform 1 from kernel_user where id = any(accounts) order by id for no key update;
  for open in
    select c.id
      from governance_changerequest c
     where c.state in ('in_review', 'approved')
       and exists (select from governance_decision d
                    where d.change_id = c.id and d.voided_at is null and d.person_id = any(accounts))
     order by c.id
  loop
    perform 1 from governance_changerequest c where c.id = open.id for update;
    if governance_is_party(open.id, accounts[1]) then
      perform governance_void_of(open.id, accounts, 'an approver is a party of the change by another account',
                                 'this person is a party of the change by another account');
    else
      update governance_approval a
         set voided_at = clock_timestamp(), void_reason = 'two of its accounts are one person'
       where a.change_id = open.id
         and a.voided_at is null
         and a.used_at is null
         and (select count(*)
                from jsonb_array_elements(a.filled_slots) e
               where (e ->> 'person')::bigint = any(accounts)
                  or (e ->> 'right_of')::bigint = any(accounts)) > 1;
      if found then
        update governance_changerequest
           set state = 'in_review'
         where id = open.id
           and state = 'approved';
      end if;
    end if;
  end loop;
  update governance_approval a
     set voided_at = clock_timestamp(), void_reason = 'the two who opened the break-glass are one person'
    from governance_breakglass b
   where b.id = a.break_glass_id
     and a.voided_at is null
     and a.valid_until > clock_timestamp()
     and b.opened_by_id = any(accounts)
     and b.confirmed_by_id = any(accounts);
  return null;
end $$;
create or replace trigger governance_joined after insert on kernel_provedmail
  for each row execute function governance_accounts_joined();
create or replace trigger governance_joined after insert or update of same_person_as_id on kernel_user
  for each row execute function governance_accounts_joined();
