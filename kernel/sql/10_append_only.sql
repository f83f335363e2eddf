-- Rows that are written once. Every room puts this function before update, delete or truncate of such a table.
create or replace function kernel_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'integrity_constraint_violation', constraint = tg_table_name || '_append_only';
end $$;

create or replace trigger append_only before update or delete on kernel_auditentry
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on kernel_auditentry
  for each statement execute function kernel_refuse_change();

create or replace trigger append_only before update or delete on kernel_auditlink
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on kernel_auditlink
  for each statement execute function kernel_refuse_change();
