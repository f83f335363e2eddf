-- Where the systems of a release answered when it was approved. An approval binds them; the claim compares them with
-- where the systems answer now (`runtime_destination_moved` in 10_gate.sql). What an approved change of a destination
-- moves goes on without a new approval of each release.

-- The systems that a release calls: those with a connection.
create or replace function runtime_systems_called(manifest jsonb) returns setof text language sql immutable as $$
  select distinct p.part ->> 'system'
    from (select jsonb_path_query(manifest, '$.sources[*]') as part
          union all
          select jsonb_path_query(manifest, '$.targets[*]')) p
   where jsonb_typeof(p.part -> 'connection') = 'object'
$$;

create or replace function runtime_bind_destinations(approval bigint) returns void language sql as $$
  insert into public.runtime_approveddestination (approval_id, system_key, environment, digest)
  select a.id,
         s.key,
         a.environment,
         public.runtime_destination_now(s.key, a.environment)
    from public.governance_approval a
    join public.runtime_integration i on i.key = a.subject_id
    join public.runtime_release r on r.integration_id = i.id and r.digest = a.digest
   cross join lateral public.runtime_systems_called(r.manifest) s(key)
   where a.id = approval
     and a.subject_kind = 'integration'
  on conflict do nothing
$$;

-- What is sealed binds what those who decided were shown: a change whose difference is to be made again is not sealed.
create or replace function runtime_approval_sealed() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  less text;
begin
  if new.subject_kind = 'integration' then
    if new.origin = 'review'
       and exists (select from governance_changerequest c
                    where c.id = new.change_id
                      and c.kind in ('integration.deploy', 'integration.rollback')) then
      less := runtime_asks_for_less(new.change_id);
      if less is not null then
        raise exception 'the change was assessed by facts that ask for less than its manifest: %', less
          using errcode = 'check_violation', constraint = 'approval_fits_manifest';
      end if;
    end if;
    if new.origin = 'review' and new.diff_digest = '' then
      raise exception 'a destination moved: the difference is looked at again before it is approved'
        using errcode = 'check_violation', constraint = 'approval_binds_what_is_present';
    end if;
    perform runtime_bind_destinations(new.id);
  end if;
  return null;
end $$;
create or replace trigger runtime_sealed after insert on governance_approval
  for each row execute function runtime_approval_sealed();

-- An approved change of a destination takes along what was approved for another one; a void one leaves it nowhere.
create or replace function runtime_destination_approved() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if new.voided_at is not null and old.voided_at is null then
    update runtime_approveddestination set digest = 'void' where moved_by_id = new.id;
  elsif new.used_at is not null and old.used_at is null then
    update runtime_approveddestination b
       set digest = new.digest, moved_by_id = new.id, bound_at = clock_timestamp()
      from governance_approval a
     where b.system_key = split_part(new.subject_id, '/', 1)
       and b.environment = split_part(new.subject_id, '/', 2)
       and a.id = b.approval_id
       and a.voided_at is null;
  end if;
  return null;
end $$;
create or replace trigger runtime_destination_approved after update of used_at, voided_at on governance_approval
  for each row when (new.subject_kind = 'destination') execute function runtime_destination_approved();

-- Whether an approval lets a system move to this destination: of a change of destinations, in which the owner of the
-- system and security had a slot.
create or replace function runtime_lets_move(approval bigint, of_system text, place text, wanted text) returns boolean
language sql stable as $$
  select exists (select
                   from public.governance_valid_approval v
                   join public.governance_approval a on a.id = v.approval_id
                   join public.governance_changerequest c on c.id = a.change_id and c.kind = 'system.destination'
                   join public.catalog_system y on y.key = of_system
                   join public.catalog_team t on t.key = 'security'
                  where v.approval_id = approval
                    and v.subject_kind = 'destination'
                    and v.subject_id = of_system || '/' || place
                    and v.digest = wanted
                    and v.environment = place
                    and 2 = (select count(distinct s.group_ids)
                               from public.governance_slot s
                              where s.change_id = c.id
                                and s.revision = a.revision
                                and s.group_ids in (array[y.owner_team_id], array[t.group_id])))
$$;

-- Nobody writes another destination than the present one at the sealing, or one that was approved since.
create or replace function runtime_destination_guard() returns trigger
language plpgsql set search_path to public, pg_temp as $$
begin
  if tg_op = 'DELETE' then
    raise exception 'what an approval binds stays bound'
      using errcode = 'check_violation', constraint = 'approved_destination_is_kept';
  end if;
  if tg_op = 'INSERT' then
    if new.moved_by_id is not null
       or new.digest <> runtime_destination_now(new.system_key, new.environment)
       or not exists (select from governance_approval a
                       where a.id = new.approval_id
                         and a.environment = new.environment) then
      raise exception 'an approval binds where a system answers when it is sealed'
        using errcode = 'check_violation', constraint = 'approved_destination_is_present';
    end if;
    return new;
  end if;
  if (new.approval_id, new.system_key, new.environment) <> (old.approval_id, old.system_key, old.environment)
     or new.moved_by_id is null
     or not (case when new.digest = 'void' then new.moved_by_id = old.moved_by_id
                  else new.moved_by_id > coalesce(old.moved_by_id, 0)
                       and runtime_lets_move(new.moved_by_id, new.system_key, new.environment, new.digest) end) then
    raise exception 'a destination moves by an approved change of it'
      using errcode = 'check_violation', constraint = 'approved_destination_moves_by_approval';
  end if;
  return new;
end $$;
create or replace trigger runtime_destination_guard before insert or update or delete on runtime_approveddestination
  for each row execute function runtime_destination_guard();

-- Changes under way about a release that calls the system are looked at again: what was decided on them is void.
create or replace function runtime_endpoint_moved() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  place text := (select y.key || '/' || n.key
                   from catalog_system y
                  cross join catalog_environment n
                  where y.id = coalesce(new.system_id, old.system_id)
                    and n.id = coalesce(new.environment_id, old.environment_id));
begin
  if tg_op = 'UPDATE' and (new.destination = old.destination or old.destination = '') then
    return null;
  end if;
  update governance_changerequest c
     set diff_digest = '', state = case when c.state = 'approved' then 'in_review' else c.state end
   where c.kind in ('integration.deploy', 'integration.rollback')
     and c.state in ('in_review', 'approved')
     and c.environment = split_part(place, '/', 2)
     and exists (select
                   from governance_changesubject s
                   join runtime_integration i on i.key = s.subject_id
                   join runtime_release r on r.integration_id = i.id and r.digest = s.digest
                  where s.change_id = c.id
                    and s.kind = 'integration'
                    and split_part(place, '/', 1) in (select runtime_systems_called(r.manifest)));
  return null;
end $$;
create or replace trigger runtime_moved after insert or update or delete on catalog_systemendpoint
  for each row execute function runtime_endpoint_moved();

-- A deployment's approval binds all that its release calls: one from before is bound to where the systems answer now.
create or replace function runtime_deployment_binds() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  perform runtime_bind_destinations(new.approval_id);
  return null;
end $$;
create or replace trigger runtime_deployment_binds after insert on runtime_deployment
  for each row execute function runtime_deployment_binds();
