"""The audit ledger is append-only and hash-chained by the database itself, whoever speaks to it.

The chain is written by a deferred constraint trigger at commit, under an advisory lock: links follow commit order, and no
transaction waits for another while it still wants row locks.
"""

from django.db import migrations

FORWARD = """
create function kernel_audit_hash(previous text, e kernel_auditentry) returns text language sql immutable as $$
  select encode(sha256(convert_to(previous || to_jsonb(e)::text, 'UTF8')), 'hex')
$$;

create function kernel_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'integrity_constraint_violation', constraint = tg_table_name || '_append_only';
end $$;

create trigger append_only before update or delete on kernel_auditentry for each row execute function kernel_refuse_change();
create trigger no_truncate before truncate on kernel_auditentry for each statement execute function kernel_refuse_change();
create trigger append_only before update or delete on kernel_auditlink for each row execute function kernel_refuse_change();
create trigger no_truncate before truncate on kernel_auditlink for each statement execute function kernel_refuse_change();

create function kernel_audit_chain() returns trigger language plpgsql set timezone to 'UTC' as $$
declare
  head kernel_auditlink%rowtype;
begin
  perform pg_advisory_xact_lock(7417118001);
  select * into head from kernel_auditlink order by position desc limit 1;
  insert into kernel_auditlink (position, entry_id, previous_hash, hash)
    select coalesce(head.position, 0) + 1, new.id, coalesce(head.hash, repeat('0', 64)),
           kernel_audit_hash(coalesce(head.hash, repeat('0', 64)), e)
      from kernel_auditentry e where e.id = new.id;
  return null;
end $$;

create constraint trigger chain after insert on kernel_auditentry
  deferrable initially deferred for each row execute function kernel_audit_chain();
"""

BACKWARD = """
drop trigger chain on kernel_auditentry;
drop function kernel_audit_chain();
drop trigger append_only on kernel_auditentry;
drop trigger no_truncate on kernel_auditentry;
drop trigger append_only on kernel_auditlink;
drop trigger no_truncate on kernel_auditlink;
drop function kernel_refuse_change();
drop function kernel_audit_hash(text, kernel_auditentry);
"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
