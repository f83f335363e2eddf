-- Rights and results that the ledger has to know, whatever wrote them (catalog/sql/50_rows_told.sql), and the one kind
-- of decision that is no row of governance_decision.

-- What somebody takes upon themselves stands in the ledger in their name.
create or replace function governance_acceptance_on_record() returns trigger language plpgsql as $$
begin
  if not governance_on_record(array['governance.break_accepted'], 'change', new.change_id::text, new.person_id,
                              jsonb_build_object('rule', new.rule, 'pointer', new.pointer, 'as', new.kind)) then
    perform governance_refuse('acceptance_is_on_record', 'an acceptance is written with its entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists on_record on governance_breakacceptance;
create constraint trigger on_record after insert on governance_breakacceptance
  deferrable initially deferred for each row execute function governance_acceptance_on_record();

-- What the checks said, once for a transaction: all results of the revision as they stand at its end.
create or replace function governance_checks_told() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
declare
  results jsonb;
begin
  if tg_op = 'INSERT' and new.status = 'not_run' then
    return null;
  end if;
  if tg_op = 'UPDATE' and (new.status, new.findings) is not distinct from (old.status, old.findings) then
    return null;
  end if;
  select jsonb_object_agg(r.check_id, r.status) into results
    from governance_checkresult r
   where r.change_id = new.change_id
     and r.revision = new.revision;
  if not catalog_told_here(array['change'], array[new.change_id::text], '{}')
     or not exists (select from kernel_auditentry e
                     where e.subject_kind = 'change'
                       and e.subject_id = new.change_id::text
                       and e.verb = 'governance.change_checks_told'
                       and e.at >= now()
                       and catalog_written_here(e.xmin)
                       and e.after -> 'results' = results) then
    perform kernel_tell('governance.change_checks_told', 'change', new.change_id::text, null,
                        jsonb_build_object('revision', new.revision, 'subject_digest', new.subject_digest,
                                           'results', results));
  end if;
  return null;
end $$;
drop trigger if exists told_at_the_end on governance_checkresult;
create constraint trigger told_at_the_end after insert or update of status, findings on governance_checkresult
  deferrable initially deferred for each row execute function governance_checks_told();

drop trigger if exists told_at_the_end on governance_webhookendpoint;
create constraint trigger told_at_the_end after insert or update or delete on governance_webhookendpoint
  deferrable initially deferred for each row
  execute function catalog_row_written('governance.webhook', 'webhook', 'id', 'name,url,topics,active,created_by_id',
                                       'url,created_by_id', 'url');
drop trigger if exists told_at_the_end on governance_pipelineconnection;
create constraint trigger told_at_the_end
  after insert or delete or update of key, provider, api_url, app_id, webhook_secret_ref, old_webhook_secret_ref,
                                      credential_ref, owner_team_id, at_the_end, proposed_by_id, confirmed_by_id,
                                      confirmed_at, ended_at
  on governance_pipelineconnection deferrable initially deferred for each row
  execute function catalog_row_written(
    'governance.pipeline', 'pipeline_connection', 'key',
    'key,provider,api_url,app_id,webhook_secret_ref,credential_ref,owner_team_id,at_the_end,confirmed_by_id,ended_at',
    'api_url,credential_ref,owner_team_id', 'api_url');
drop trigger if exists told_at_the_end on governance_pipelinemapping;
create constraint trigger told_at_the_end after insert or update or delete on governance_pipelinemapping
  deferrable initially deferred for each row
  execute function catalog_row_written(
    'governance.pipeline_mapping', 'pipeline_connection', 'connection_id:governance_pipelineconnection:key',
    'repository_id,repository,place,application,environment,confirmed_by_id,ended_at', 'application', 'application');
drop trigger if exists told_at_the_end on governance_freezewindow;
create constraint trigger told_at_the_end after insert on governance_freezewindow
  deferrable initially deferred for each row
  execute function catalog_row_written(
    'governance.freeze', 'freeze', 'id', 'name,environment,tier,domain,system,store_zone,strictness', '', '');
drop trigger if exists told_at_the_end on governance_policy;
create constraint trigger told_at_the_end after insert or update of state on governance_policy
  deferrable initially deferred for each row
  execute function catalog_row_written('governance.policy', 'policy', 'level', 'level,version,digest,state', '', '');
drop trigger if exists told_at_the_end on governance_waiver;
create constraint trigger told_at_the_end after update of state on governance_waiver
  deferrable initially deferred for each row
  execute function catalog_row_written('governance.waiver', 'waiver', 'id', 'state,granted_at,revoked_at', '', '');
