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
