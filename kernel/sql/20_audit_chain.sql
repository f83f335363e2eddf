-- The audit ledger is a hash chain that the database itself writes, whichever program inserts the entry.

-- The hash of one entry on top of the hash before it: SHA-256 over both, the entry as JSON, in hex.
create or replace function kernel_audit_hash(previous text, e kernel_auditentry) returns text
language sql immutable as $$
  select encode(sha256(convert_to(previous || to_jsonb(e)::text, 'UTF8')), 'hex')
$$;

-- At commit, under an advisory lock: links follow commit order, and no transaction waits here while it still wants row
-- locks. The time zone is fixed because the JSON of a timestamp depends on it.
create or replace function kernel_audit_chain() returns trigger language plpgsql set timezone to 'UTC' as $$
declare
  head kernel_auditlink%rowtype;
begin
  perform pg_advisory_xact_lock(7417118001);
  select * into head from kernel_auditlink order by position desc limit 1;
  insert into kernel_auditlink (position, entry_id, previous_hash, hash)
    select coalesce(head.position, 0) + 1,
           new.id,
           coalesce(head.hash, repeat('0', 64)),
           kernel_audit_hash(coalesce(head.hash, repeat('0', 64)), e)
      from kernel_auditentry e
     where e.id = new.id;
  return null;
end $$;

-- PostgreSQL has no `or replace` for constraint triggers.
drop trigger if exists chain on kernel_auditentry;
create constraint trigger chain after insert on kernel_auditentry
  deferrable initially deferred for each row execute function kernel_audit_chain();
