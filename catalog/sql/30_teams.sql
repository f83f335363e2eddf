-- Slots of approvals belong to a team by its key: which group of people that is, is in the ledger.
create or replace function catalog_team_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform kernel_tell('catalog.group_became_team', 'group', new.group_id::text, null,
                        jsonb_build_object('team', new.key, 'kind', new.kind));
  elsif (new.group_id, new.key, new.kind) is distinct from (old.group_id, old.key, old.kind) then
    perform kernel_tell('catalog.group_became_team', 'group', new.group_id::text,
                        jsonb_build_object('team', old.key, 'kind', old.kind, 'group', old.group_id),
                        jsonb_build_object('team', new.key, 'kind', new.kind));
  end if;
  return null;
end $$;
create or replace trigger told after insert or update of group_id, key, kind on catalog_team
  for each row execute function catalog_team_written();
