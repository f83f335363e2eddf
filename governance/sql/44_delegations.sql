-- Delegations: by a member of the group, to another person, for at most sixty days; then only revoked, once.
create or replace function governance_delegation_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if (to_jsonb(new) - 'revoked_at') <> (to_jsonb(old) - 'revoked_at')
       or old.revoked_at is not null
       or new.revoked_at is null then
      perform governance_refuse('delegation_is_immutable', 'a delegation can only be revoked, once');
    end if;
    return new;
  end if;
  new.created_at := clock_timestamp();
  if new.revoked_at is not null or new.ends_at > new.starts_at + interval '60 days' then
    perform governance_refuse('delegation_is_for_a_while',
                              'a delegation is for at most 60 days, and not revoked at birth');
  end if;
  if (select count(*) from kernel_user u
       where u.id in (new.delegator_id, new.delegate_id) and u.is_active and u.kind = 'person') <> 2
     or kernel_person(new.delegator_id) = kernel_person(new.delegate_id)
     or not exists (select from kernel_user_groups m
                     where m.user_id = new.delegator_id and m.group_id = new.group_id) then
    perform governance_refuse('delegation_needs_a_right', 'a person lends to another one a right of his or her own');
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update on governance_delegation
  for each row execute function governance_delegation_guard();

-- Who leaves lends nothing any more, and nothing is lent to them. One that a decision holds at this moment is left to
-- `governance_stayed`: two who wait for each other would end one of the two. A person who is opened again finds
-- nothing of before: what they approved is void, where it is not in effect. A closed account fills no slot anyway.
create or replace function governance_account_moved() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  why text := 'the account ' || new.username || case when new.is_active then ' was opened again' else ' was closed' end;
  ended record;
begin
  if new.is_active = old.is_active then
    return null;
  end if;
  for ended in
    update governance_delegation d
       set revoked_at = clock_timestamp()
     where d.id in (select o.id
                      from governance_delegation o
                     where (o.delegator_id = new.id or o.delegate_id = new.id)
                       and o.revoked_at is null
                       and o.ends_at > clock_timestamp()
                       for update skip locked)
    returning d.id, d.delegator_id, d.delegate_id
  loop
    perform kernel_tell('governance.delegation_revoked', 'delegation', ended.id::text, null,
                        jsonb_build_object(
                          'because', why,
                          'of', (select u.username from kernel_user u where u.id = ended.delegator_id),
                          'to', (select u.username from kernel_user u where u.id = ended.delegate_id)));
  end loop;
  if new.is_active then
    for ended in
      select c.id
        from governance_changerequest c
       where c.state in ('in_review', 'approved')
         and exists (select from governance_decision d
                      where d.change_id = c.id
                        and d.person_id = new.id
                        and d.outcome = 'approve'
                        and d.voided_at is null)
       order by c.id
         for update
    loop
      update governance_decision
         set voided_at = clock_timestamp(), void_reason = 'the account was closed since'
       where change_id = ended.id
         and person_id = new.id
         and outcome = 'approve'
         and voided_at is null;
      perform kernel_tell('governance.decision_ended', 'change', ended.id::text, null,
                          jsonb_build_object('because', why, 'of', new.username));
    end loop;
  end if;
  return null;
end $$;
create or replace trigger governance_moved after update of is_active on kernel_user
  for each row execute function governance_account_moved();
