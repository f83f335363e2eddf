-- What a row of these tables stands for is known by its number: references are looked at when a transaction ends, so
-- two rows could change places within one.
create or replace function runtime_numbers_stay() returns trigger
language plpgsql as $$
begin
  raise exception 'a row of % keeps its number', tg_table_name
    using errcode = 'check_violation', constraint = 'runtime_numbers_stay';
end $$;

create or replace trigger runtime_numbers_stay before update of id on runtime_integration for each row
  when (new.id is distinct from old.id)
  execute function runtime_numbers_stay();
create or replace trigger runtime_numbers_stay before update of id on runtime_deployment for each row
  when (new.id is distinct from old.id)
  execute function runtime_numbers_stay();
create or replace trigger runtime_numbers_stay before update of id on runtime_stream for each row
  when (new.id is distinct from old.id)
  execute function runtime_numbers_stay();
create or replace trigger runtime_numbers_stay before update of id on runtime_subscription for each row
  when (new.id is distinct from old.id)
  execute function runtime_numbers_stay();
create or replace trigger runtime_numbers_stay before update of id on runtime_vendorstate for each row
  when (new.id is distinct from old.id)
  execute function runtime_numbers_stay();
