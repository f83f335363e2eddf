-- Who may hand in messages, whose an integration is, what runs and how long anything is kept is in the ledger, whatever
-- wrote it (catalog/sql/50_rows_told.sql).

drop trigger if exists told_at_the_end on runtime_integration;
create constraint trigger told_at_the_end after insert or update or delete on runtime_integration
  deferrable initially deferred for each row
  execute function catalog_row_written('runtime.integration', 'integration', 'key', 'key,owner_team_id,domain_key',
                                       'owner_team_id', '');
drop trigger if exists told_at_the_end on runtime_intakegrant;
create constraint trigger told_at_the_end after insert or update or delete on runtime_intakegrant
  deferrable initially deferred for each row
  execute function catalog_row_written(
    'runtime.intake_grant', 'integration', 'integration_id:runtime_integration:key',
    'integration_id,environment,account_id,team_id,revoked_at', 'environment,account_id,team_id',
    'environment,account_id,team_id');

-- A pause, its end and the end of a deployment bear verbs of their own, so that none of them passes for another.
create or replace function runtime_deployment_told() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  flow text;
  verbs text[];
  said text;
begin
  if tg_op = 'INSERT' then
    verbs := array['runtime.deployed', 'runtime.rolled_back'];
    said := 'runtime.deployment_made';
  elsif old.active and not new.active then
    verbs := array['runtime.retired', 'runtime.deployed', 'runtime.rolled_back'];
    said := 'runtime.deployment_ended';
  elsif new.active and not old.active then
    verbs := array['runtime.deployed', 'runtime.rolled_back'];
    said := 'runtime.deployment_begun_again';
  elsif new.paused <> old.paused then
    verbs := array[case when new.paused then 'runtime.paused' else 'runtime.resumed' end];
    said := case when new.paused then 'runtime.deployment_paused' else 'runtime.deployment_resumed' end;
  else
    return null;
  end if;
  select i.key into flow from runtime_integration i where i.id = new.integration_id;
  if not exists (select from kernel_auditentry e
                  where e.subject_kind = 'integration'
                    and e.subject_id = flow
                    and e.verb = any(verbs)
                    and e.at >= now()
                    and catalog_written_here(e.xmin)
                    and e.after ->> 'environment' = new.environment) then
    perform kernel_tell(said, 'integration', flow, null,
                        jsonb_build_object('environment', new.environment, 'deployment', new.id,
                                           'release', new.release_id, 'approval', new.approval_id));
  end if;
  return null;
end $$;
drop trigger if exists told_at_the_end on runtime_deployment;
create constraint trigger told_at_the_end after insert or update of active, paused on runtime_deployment
  deferrable initially deferred for each row execute function runtime_deployment_told();

create or replace function runtime_retention_told() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  was jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end;
  is_now jsonb := case when tg_op = 'DELETE' then '{}' else to_jsonb(new) end;
  subject text := coalesce(new.data_class, old.data_class) || '/'
                  || coalesce((select i.key from runtime_integration i
                                where i.id = coalesce(new.integration_id, old.integration_id)), 'all');
begin
  if tg_op = 'INSERT'
     and exists (select from kernel_auditentry e
                  where e.subject_kind = 'retention'
                    and e.subject_id = subject
                    and e.verb = 'runtime.retention_set'
                    and e.at >= now()
                    and catalog_written_here(e.xmin)
                    and e.after -> 'days' = coalesce(to_jsonb(new.days), 'null')
                    and (e.after ->> 'since')::timestamptz = new.since) then
    return null;
  end if;
  perform kernel_tell('runtime.retention_' || case tg_op when 'INSERT' then 'made' when 'DELETE' then 'removed'
                                                         else 'changed' end,
                      'retention', left(subject, 120),
                      nullif(was - '{id,data_class,set_at,set_by_id}'::text[], '{}'),
                      is_now - '{id,data_class,set_at,set_by_id}'::text[]);
  return null;
end $$;
drop trigger if exists told_at_the_end on runtime_retention;
create constraint trigger told_at_the_end after insert or update or delete on runtime_retention
  deferrable initially deferred for each row execute function runtime_retention_told();
