-- Second factors are in the ledger, and their person is told by mail, by whichever way they change. Neither a secret,
-- nor a key, nor a code is ever told.

-- What somebody else did to the second factors of an account is another verb: it lets the rights of the account rest
-- (governance_resting).
create or replace function kernel_factor_told(person bigint, own text, others text, about jsonb) returns void
language plpgsql as $$
declare
  acting jsonb := kernel_acting();
  verb text := 'kernel.' || case when (acting ->> 'person')::bigint = person then own else others end;
begin
  perform kernel_tell(verb, 'second_factor', person::text, null,
                      about || jsonb_build_object('username', (select u.username from kernel_user u
                                                                where u.id = person)));
  insert into kernel_outboxevent (topic, key, payload, request_id, attempts, last_error)
  values ('kernel.second_factor_changed', person::text,
          about || jsonb_build_object('person', person, 'verb', verb, 'by', left(acting ->> 'text', 200)),
          left(coalesce(acting ->> 'request', ''), 64), 0, '');
  -- Who came in with what somebody else took away, or before somebody else added to it, comes in again.
  if (acting ->> 'person')::bigint is distinct from person and others in ('factor_reset', 'factor_given') then
    delete from kernel_usersession where user_id = person;
  end if;
end $$;

create or replace function kernel_factor_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    perform kernel_factor_told(new.user_id, 'factor_added', 'factor_given',
                               jsonb_build_object('kind', new.kind, 'name', new.name));
  elsif tg_op = 'DELETE' then
    perform kernel_factor_told(old.user_id, 'factor_removed', 'factor_reset',
                               jsonb_build_object('kind', old.kind, 'name', old.name));
  elsif (new.user_id, new.kind, new.sealed, new.credential_id, new.credential)
        is distinct from (old.user_id, old.kind, old.sealed, old.credential_id, old.credential) then
    -- A secret that is encrypted anew looks the same, and is told as another one.
    perform kernel_factor_told(new.user_id, 'factor_replaced', 'factor_given',
                               jsonb_build_object('kind', new.kind, 'name', new.name));
  elsif new.name <> old.name then
    perform kernel_factor_told(new.user_id, 'factor_renamed', 'factor_renamed',
                               jsonb_build_object('kind', new.kind, 'name', new.name, 'before', old.name));
  end if;
  return null;
end $$;
create or replace trigger told after insert or delete or update of user_id, kind, name, sealed, credential_id,
                                                                  credential
  on kernel_secondfactor for each row execute function kernel_factor_written();

-- Ten codes are one entry.
create or replace function kernel_recovery_made() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  perform kernel_factor_told(a.user_id, 'recovery_codes_made', 'factor_given',
                             jsonb_build_object('kind', 'recovery codes', 'codes', count(*)))
     from added a
    group by a.user_id;
  return null;
end $$;
create or replace trigger told_made after insert on kernel_recoverycode referencing new table as added
  for each statement execute function kernel_recovery_made();

create or replace function kernel_recovery_removed() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  perform kernel_factor_told(g.user_id, 'recovery_codes_removed', 'factor_reset',
                             jsonb_build_object('kind', 'recovery codes', 'codes', count(*)))
     from gone g
    group by g.user_id;
  return null;
end $$;
create or replace trigger told_removed after delete on kernel_recoverycode referencing old table as gone
  for each statement execute function kernel_recovery_removed();

create or replace function kernel_recovery_written() returns trigger
language plpgsql security definer set search_path to public, pg_temp as $$
begin
  if (new.user_id, new.code_hash) is distinct from (old.user_id, old.code_hash)
     or new.used_at is null and old.used_at is not null then
    perform kernel_factor_told(new.user_id, 'factor_replaced', 'factor_given', '{"kind": "recovery codes"}');
  elsif new.used_at is not null and old.used_at is null then
    perform kernel_factor_told(new.user_id, 'recovery_code_used', 'recovery_code_used', '{"kind": "recovery codes"}');
  end if;
  return null;
end $$;
create or replace trigger told after update on kernel_recoverycode
  for each row execute function kernel_recovery_written();
