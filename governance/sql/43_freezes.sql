-- Freeze windows and their occurrences: a row that is gone would lift a freeze.

create or replace function governance_freeze_kept() returns trigger language plpgsql as $$
begin
  if tg_table_name = 'governance_freezewindow' then
    perform governance_refuse('freeze_is_kept', 'a freeze window is never deleted; it is ended');
  end if;
  if exists (select from governance_freezewindow w
              where w.id = old.freeze_id
                and w.ended_at is null
                and w.compiled_until is not null) then
    perform governance_refuse('freeze_occurrence_is_kept',
                              'an occurrence goes only with the end of its window, or while the window is compiled '
                              'again and counts as open');
  end if;
  return old;
end $$;
create or replace trigger kept before delete on governance_freezewindow
  for each row execute function governance_freeze_kept();
create or replace trigger kept before delete on governance_freezeinterval
  for each row execute function governance_freeze_kept();
