-- A deployment is bound to a valid approval when it becomes active, and what was deployed does not change.
create or replace function runtime_deployment_guard() returns trigger
language plpgsql as $$
begin
  if tg_op = 'UPDATE'
      and (new.release_id, new.integration_id, new.environment, new.approval_id, new.kind)
        is distinct from (old.release_id, old.integration_id, old.environment, old.approval_id, old.kind) then
    raise exception 'what was deployed under an approval does not change: deploy anew'
      using errcode = 'check_violation';
  end if;
  if new.active and (tg_op = 'INSERT' or not old.active) and not exists (
      select
      from public.runtime_release r
      join public.runtime_integration i on i.id = r.integration_id
      join public.governance_valid_approval a
        on a.approval_id = new.approval_id
        and a.subject_kind = 'integration'
        and a.subject_id = i.key
        and a.digest = r.digest
        and a.environment = new.environment
      where r.id = new.release_id
        and r.integration_id = new.integration_id) then
    raise exception 'no valid approval binds this release to %', new.environment
      using errcode = 'insufficient_privilege';
  end if;
  -- What policies were asked with is what the manifest says; a change of another kind, or assessed by other facts,
  -- asked for other people.
  if new.active and (tg_op = 'INSERT' or not old.active) and exists (
      select
      from public.governance_approval a
      join public.governance_changerequest c on c.id = a.change_id
      join public.runtime_release r on r.id = new.release_id
      left join public.catalog_team t on t.key = r.manifest ->> 'owner'
      where a.id = new.approval_id
        and (c.kind not in ('integration.deploy', 'integration.rollback')
          or r.tier <> coalesce((r.manifest ->> 'tier')::int, r.tier)
          or coalesce((c.facts ->> 'tier')::int, r.tier) <> r.tier
          or coalesce(c.facts ->> 'domain', r.manifest ->> 'domain', '') <> coalesce(r.manifest ->> 'domain', '')
          or (t.group_id is not null and t.group_id <> all(c.owner_team_ids)))) then
    raise exception 'the approval was given for other facts than those of the manifest'
      using errcode = 'insufficient_privilege', constraint = 'runtime_approval_fits_manifest';
  end if;
  return new;
end $$;

create or replace trigger runtime_deployment_guard before insert or update on runtime_deployment for each row
  execute function runtime_deployment_guard();

-- What work is for stays: a freeze of a system or store, and the place of an endpoint, are looked up by these rows.
create or replace function runtime_names_stay() returns trigger
language plpgsql as $$
begin
  raise exception '% keeps what it is for: its environment, system, target and instance', tg_table_name
    using errcode = 'check_violation', constraint = 'runtime_names_stay';
end $$;

create or replace trigger runtime_names_stay before update on runtime_vendorstate for each row
  when ((new.system_key, new.instance, new.environment)
        is distinct from (old.system_key, old.instance, old.environment))
  execute function runtime_names_stay();
create or replace trigger runtime_names_stay before update on runtime_stream for each row
  when ((new.integration_id, new.environment) is distinct from (old.integration_id, old.environment))
  execute function runtime_names_stay();
create or replace trigger runtime_names_stay before update on runtime_subscription for each row
  when ((new.stream_id, new.target, new.instance, new.replay_of_id)
        is distinct from (old.stream_id, old.target, old.instance, old.replay_of_id))
  execute function runtime_names_stay();

-- A subscription is of the environment of its deployment, and of the system that the deployed manifest names for its
-- target.
create or replace function runtime_subscription_fits() returns trigger
language plpgsql as $$
declare
  fits boolean;
begin
  select d.environment = t.environment
         and d.integration_id = t.integration_id
         and v.environment = d.environment
         and coalesce((select (m.part ->> 'system') = v.system_key and v.instance = new.instance
                              and case when m.part ? 'instances' then m.part -> 'instances' ? new.instance
                                       else new.instance = '' end
                         from jsonb_path_query(r.manifest, '$.targets[*]') m(part)
                        where m.part ->> 'name' = new.target
                        limit 1), true)
    into fits
    from public.runtime_deployment d
    join public.runtime_release r on r.id = d.release_id
    join public.runtime_stream t on t.id = new.stream_id
    join public.runtime_vendorstate v on v.id = new.vendor_id
   where d.id = new.deployment_id;
  if fits is distinct from true then
    raise exception 'a subscription fits its deployment: the same integration, environment, system and instance'
      using errcode = 'check_violation', constraint = 'runtime_subscription_fits';
  end if;
  return new;
end $$;

create or replace trigger runtime_subscription_fits before insert or update of deployment_id, vendor_id
  on runtime_subscription for each row execute function runtime_subscription_fits();
