-- The audit ledger is a hash chain that the database itself writes, whichever program inserts the entry.

-- An entry bears the database's time and says which role wrote it and from which address, whatever the writer claims:
-- nobody writes one of yesterday. What follows the first comma is the name that the program gave itself.
create or replace function kernel_audit_stamp() returns trigger language plpgsql as $$
begin
  new.at := clock_timestamp();
  new.written_by := left(concat_ws(', ', session_user || coalesce(' from ' || host(inet_client_addr()), ''),
                                         nullif(current_setting('application_name', true), '')), 200);
  return new;
end $$;
create or replace trigger stamp before insert on kernel_auditentry
  for each row execute function kernel_audit_stamp();

-- What of an entry is hashed: a stated list of columns for each version, as JSON. A column that is added later stays
-- outside until a new version names it. kernel/audit_chain.py computes the same by itself.
create or replace function kernel_audit_text(e kernel_auditentry, version int) returns text
language sql immutable set timezone to 'UTC' as $$
  select (jsonb_build_object(
            'id', e.id, 'at', e.at, 'actor_id', e.actor_id, 'actor_text', e.actor_text, 'verb', e.verb,
            'subject_kind', e.subject_kind, 'subject_id', e.subject_id, 'before', e.before, 'after', e.after,
            'reason', e.reason, 'request_id', e.request_id)
          || case version
               when 1 then '{}'
               else jsonb_build_object('written_by', e.written_by, 'version', version)
             end)::text
$$;

-- The hash of one entry on top of the hash before it: SHA-256 over both, in hex.
create or replace function kernel_audit_hash(previous text, e kernel_auditentry, version int) returns text
language sql immutable as $$
  select encode(sha256(convert_to(previous || kernel_audit_text(e, version), 'UTF8')), 'hex')
$$;

-- At commit, under a lock: links follow commit order, and no transaction waits here while it still wants row locks. It
-- is one of a table that only the owner may lock; an advisory lock could be held by anybody who may connect. The time
-- zone is fixed because the JSON of a timestamp depends on it. It writes as the owner: nobody else may.
create or replace function kernel_audit_chain() returns trigger
language plpgsql security definer set search_path to public, pg_temp set timezone to 'UTC' as $$
declare
  head kernel_auditlink%rowtype;
begin
  lock table kernel_ledgerturn in share update exclusive mode;
  select * into head from kernel_auditlink order by position desc limit 1;
  insert into kernel_auditlink (position, entry_id, previous_hash, version, hash)
    select coalesce(head.position, 0) + 1,
           new.id,
           coalesce(head.hash, repeat('0', 64)),
           2,
           kernel_audit_hash(coalesce(head.hash, repeat('0', 64)), e, 2)
      from kernel_auditentry e
     where e.id = new.id;
  return null;
end $$;

revoke all on function kernel_audit_chain() from public;

-- PostgreSQL has no `or replace` for constraint triggers.
drop trigger if exists chain on kernel_auditentry;
create constraint trigger chain after insert on kernel_auditentry
  deferrable initially deferred for each row execute function kernel_audit_chain();

-- How a program writes an entry: it needs no right on the table.
create or replace function kernel_record(
  actor_id bigint, actor_text text, verb text, subject_kind text, subject_id text, before jsonb, after jsonb,
  reason text, request_id text
) returns setof kernel_auditentry
language sql security definer set search_path to public, pg_temp as $$
  insert into kernel_auditentry
    (actor_id, actor_text, verb, subject_kind, subject_id, before, after, reason, request_id)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
  returning *
$$;
