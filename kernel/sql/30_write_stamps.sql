-- Who wrote: one row for each transaction that touched a table of which somebody wants to know whether anything in it
-- changed (kernel/write_stamps.py). A number of its own for each transaction, so that no writer waits for another.
create or replace function kernel_stamp_write() returns trigger language plpgsql as $$
begin
  insert into public.kernel_writestamp (xact) values (pg_current_xact_id()::text::bigint) on conflict do nothing;
  return null;
end $$;

-- Every room calls this for its tables. The triggers fire for replicated writes too, and for TRUNCATE.
create or replace function kernel_stamp_writes_of(tables text[]) returns void language plpgsql as $$
declare
  name text;
begin
  foreach name in array tables loop
    execute format(
      'create or replace trigger write_stamp after insert or update or delete or truncate on %I '
      'for each statement execute function kernel_stamp_write()', name);
    execute format('alter table %I enable always trigger write_stamp', name);
  end loop;
end $$;

-- The stamps themselves are among them: who takes one away leaves one.
create or replace trigger write_stamp after update or delete or truncate on kernel_writestamp
  for each statement execute function kernel_stamp_write();
alter table kernel_writestamp enable always trigger write_stamp;

select kernel_stamp_writes_of(array['kernel_user', 'kernel_user_groups', 'kernel_auditentry']);
