-- Where webhooks come in, and by which secret they are believed, is in the ledger, whatever wrote it
-- (catalog/sql/50_rows_told.sql). What is seen of calls is none of it.

drop trigger if exists told_at_the_end on runtime_hook;
create constraint trigger told_at_the_end
  after insert or delete or update of integration_id, environment, source, key, secret_ref, old_secret_ref, public_url,
                                      ended_at on runtime_hook
  deferrable initially deferred for each row
  execute function catalog_row_written(
    'runtime.hook', 'integration', 'integration_id:runtime_integration:key',
    'integration_id,environment,source,key,secret_ref,old_secret_ref,public_url,ended_at',
    'environment,source,secret_ref,old_secret_ref,public_url', 'environment,source,secret_ref,public_url');
