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
