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
      from runtime_release r
      join runtime_integration i on i.id = r.integration_id
      join governance_valid_approval a
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
  return new;
end $$;

create or replace trigger runtime_deployment_guard before insert or update on runtime_deployment for each row
  execute function runtime_deployment_guard();
