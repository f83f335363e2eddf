-- Releases, the log, and the evidence of deliveries are only added to.
create or replace function runtime_append_only() returns trigger
language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create or replace trigger runtime_append_only before update or delete on runtime_release for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update or delete on runtime_entitywrite for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update or delete on runtime_pin for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update or delete on runtime_message for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update or delete on runtime_delivery for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update or delete on runtime_attempt for each row
  execute function runtime_append_only();
