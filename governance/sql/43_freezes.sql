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

-- What a window covers does not change: another window takes its place. What is known of its names may be narrowed by
-- whom the product asks, so the end alone is for ever.
create or replace function governance_freeze_guard() returns trigger language plpgsql as $$
begin
  if (to_jsonb(new) - '{ended_at,compiled_until}'::text[]) <> (to_jsonb(old) - '{ended_at,compiled_until}'::text[])
     or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then
    perform governance_refuse('freeze_is_immutable', 'a freeze window ends once; another window takes its place');
  end if;
  if new.compiled_until > clock_timestamp() + interval '9 years' then
    perform governance_refuse('freeze_is_compiled_ahead',
                              'a freeze window is worked out for some hundred days ahead; what counts as worked out '
                              'for longer would have no occurrence there');
  end if;
  if old.ended_at is null and new.ended_at is not null then
    new.ended_at := clock_timestamp();
  end if;
  return new;
end $$;
create or replace trigger guard before update on governance_freezewindow
  for each row execute function governance_freeze_guard();

-- A banner is no region: what a window names stands in its own dimension.
create or replace function governance_freeze_of_its_dimension() returns trigger language plpgsql as $$
begin
  if exists (select from catalog_scopevalue s
              where (s.id = new.banner_id and s.dimension <> 'banner')
                 or (s.id = new.region_id and s.dimension <> 'region')
                 or (s.id = new.channel_id and s.dimension <> 'channel')) then
    perform governance_refuse('freeze_scope_of_its_dimension', 'a scope value stands in the wrong dimension');
  end if;
  return new;
end $$;
create or replace trigger of_its_dimension before insert or update on governance_freezewindow
  for each row execute function governance_freeze_of_its_dimension();

-- Planned freezes are counted, beside their entries in the ledger: one that vanished shows by either.
create or replace function governance_freeze_counted() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  insert into governance_releasetally as t (environment, kind, name, live)
  select '', 'freeze', '', count(*) from planned
  on conflict (environment, kind, name) do update set live = t.live + excluded.live;
  return null;
end $$;
create or replace trigger counted after insert on governance_freezewindow
  referencing new table as planned
  for each statement execute function governance_freeze_counted();
