-- What the policies ask of changes that send or read stored messages again, that move a system, or that waive a rule
-- for an integration: by the manifest of what runs, and by the flows over the system. As in 37_manifest_facts.sql, what
-- is stored with the change asks for no less.

-- The manifest behind the subject of such a change.
create or replace function runtime_manifest_behind(kind text, identifier text) returns jsonb language sql stable as $$
  select r.manifest
    from public.runtime_integration i
    join public.runtime_deployment d on d.integration_id = i.id
    join public.runtime_release r on r.id = d.release_id
   where kind in ('replay.open', 'reading.open')
     and i.key = split_part(identifier, '/', 1)
     and d.active
   order by d.id desc
   limit 1
$$;

create or replace function runtime_facts_of_subject(kind text, of_kind text, identifier text) returns jsonb
language plpgsql stable as $$
declare
  found jsonb;
  manifest jsonb := public.runtime_manifest_behind(kind, identifier);
begin
  if manifest is not null then
    found := public.runtime_facts_of(manifest) - '{entities,consumers,consumer_owner}'::text[];
    return '{"entities": [], "consumers": 0, "consumer_owner": []}'::jsonb || found
           || jsonb_build_object('owners', public.governance_teams_of(array[(found ->> 'owner')::int]));
  end if;
  if kind = 'system.destination' then
    select jsonb_build_object(
             'tier', coalesce((select min((r.manifest ->> 'tier')::int)
                                 from public.runtime_approveddestination b
                                 join public.runtime_deployment d on d.approval_id = b.approval_id and d.active
                                 join public.runtime_release r on r.id = d.release_id
                                where b.system_key = y.key
                                  and b.environment = split_part(identifier, '/', 2)), 3),
             'data_class', 'internal',
             'entities', '[]'::jsonb,
             'consumers', 0,
             'owner_of_record', '[]'::jsonb,
             'consumer_owner', '[]'::jsonb,
             'owners', public.governance_teams_of(array[y.owner_team_id]))
      into found
      from public.catalog_system y
     where y.key = split_part(identifier, '/', 1);
    return found;
  end if;
  if kind = 'waiver.grant' then
    select public.runtime_facts_of(r.manifest)
           || jsonb_build_object('consumers', 0, 'consumer_owner', '[]'::jsonb,
                                 'owners', public.governance_teams_of(array[i.owner_team_id]))
      into found
      from public.governance_waiver w
      join public.runtime_integration i on i.key = w.subject_id
      join lateral (select x.manifest from public.runtime_release x
                     where x.integration_id = i.id
                     order by x.id desc
                     limit 1) r on true
     where w.id::text = identifier
       and w.subject_kind = 'integration';
    return found;
  end if;
  return null;
end $$;

create or replace function runtime_checks_of_flows() returns table (kind text, checks text[])
language sql immutable as $$
  select k.kind,
         k.checks || array['subject.present', 'owner.known', 'impact.known', 'change.window', 'change.rollback_plan']
    from (values ('replay.open', array['replay.safe']),
                 ('reading.open', array['reading.deployed']),
                 ('system.destination', array['destination.sound'])) k(kind, checks)
$$;

create or replace function runtime_flow_asks_for_less(change bigint) returns text language sql stable as $$
  select string_agg(distinct less.what, ', ')
    from (select l.what
            from public.governance_changerequest c
            join public.governance_changesubject s on s.change_id = c.id
           cross join lateral public.runtime_facts_of_subject(c.kind, s.kind, s.subject_id) f(fact)
           cross join lateral public.governance_facts_lack(c, f.fact) l
           where c.id = change
             and f.fact is not null
          union all
          select 'check ' || n.name
            from public.governance_changerequest c
            join public.runtime_checks_of_flows() k on k.kind = c.kind
           cross join unnest(k.checks) n(name)
           where c.id = change
             and not exists (select from public.governance_checkresult q
                              where q.change_id = c.id
                                and q.revision = c.revision
                                and q.check_id = n.name)) less
$$;

create or replace function runtime_approval_of_flow_facts() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  less text;
begin
  if new.origin = 'review' and new.subject_kind in ('replay', 'reading', 'destination', 'waiver') then
    less := runtime_flow_asks_for_less(new.change_id);
    if less is not null then
      raise exception 'the change was assessed by facts that ask for less than its manifest: %', less
        using errcode = 'check_violation', constraint = 'approval_fits_manifest';
    end if;
  end if;
  return null;
end $$;
create or replace trigger runtime_of_flow_facts after insert on governance_approval
  for each row execute function runtime_approval_of_flow_facts();
