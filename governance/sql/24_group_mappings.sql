-- A value of the identity provider's groups claim makes people members of a group: who says so is in the ledger.
create or replace function governance_mapping_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  perform kernel_tell('governance.group_mapping_'
                      || case tg_op when 'INSERT' then 'added' when 'DELETE' then 'removed' else 'changed' end,
                      'group_mapping', coalesce(new.id, old.id)::text,
                      case when tg_op <> 'INSERT'
                           then jsonb_build_object('claim', old.claim, 'group', old.group_id, 'team',
                                  (select g.name from auth_group g where g.id = old.group_id)) end,
                      case when tg_op = 'DELETE' then '{}'
                           else jsonb_build_object('claim', new.claim, 'group', new.group_id, 'team',
                                  (select g.name from auth_group g where g.id = new.group_id)) end);
  return null;
end $$;
create or replace trigger told after insert or delete or update of claim, group_id on governance_groupmapping
  for each row execute function governance_mapping_written();

-- The same of a pattern, which is about every team whose key it can say.
create or replace function governance_pattern_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  perform kernel_tell('governance.group_pattern_'
                      || case tg_op when 'INSERT' then 'added' when 'DELETE' then 'removed' else 'changed' end,
                      'group_pattern', coalesce(new.id, old.id)::text,
                      case when tg_op <> 'INSERT'
                           then jsonb_build_object('claim', old.claim, 'team', old.team, 'roles', old.roles) end,
                      case when tg_op = 'DELETE' then '{}'
                           else jsonb_build_object('claim', new.claim, 'team', new.team, 'roles', new.roles) end);
  return null;
end $$;
create or replace trigger told after insert or delete or update of claim, team, roles on governance_grouppattern
  for each row execute function governance_pattern_written();

-- Who signs in to an account that was there before.
create or replace function governance_identity_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op in ('DELETE', 'UPDATE') then
    perform kernel_tell('governance.account_unlinked', 'user', old.person_id::text, null,
                        jsonb_build_object('rule', old.rule));
  end if;
  if tg_op in ('INSERT', 'UPDATE') then
    perform kernel_tell('governance.account_linked', 'user', new.person_id::text, null,
                        jsonb_build_object('rule', new.rule));
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update on governance_provideridentity
  for each row execute function governance_identity_written();
