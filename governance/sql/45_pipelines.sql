-- Pipeline connections, and what their repositories are mapped to: proposed by one person, confirmed by a release
-- manager who did not propose it, by a right that is no newer than those that decide.
create or replace function governance_pipeline_guard() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.confirmed_by_id is not null or new.confirmed_at is not null then
      perform governance_refuse('pipeline_is_confirmed_afterwards', 'a second person confirms afterwards');
    end if;
    return new;
  end if;
  if old.confirmed_by_id is null and new.confirmed_by_id is not null then
    perform governance_hold_rights(array[new.confirmed_by_id]);
    if kernel_person(new.confirmed_by_id) = kernel_person(new.proposed_by_id) then
      perform governance_refuse('pipeline_is_confirmed_by_another',
                                'another person confirms than the one who proposed');
    end if;
    if not governance_counts_as_member(new.confirmed_by_id, '{}', '{release-managers}', clock_timestamp()) then
      perform governance_refuse('pipeline_needs_a_right', 'a release manager confirms it, by a right that counts');
    end if;
  end if;
  return new;
end $$;
create or replace trigger guard before insert or update on governance_pipelineconnection
  for each row execute function governance_pipeline_guard();
create or replace trigger guard before insert or update on governance_pipelinemapping
  for each row execute function governance_pipeline_guard();
