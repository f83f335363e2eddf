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
create or replace trigger runtime_append_only before delete on runtime_message for each row
  execute function runtime_append_only();
create or replace trigger runtime_append_only before update on runtime_delivery for each row
  execute function runtime_append_only();

-- The payload of a message, and what a target said about it, go where an erasure is recorded; nothing else changes.
-- What stands in its place is made by runtime/domain/erased.py.
create or replace function runtime_erased_only() returns trigger
language plpgsql as $$
begin
  if new.payload::text ~ ('^\{"\$erased": true(, "businessDate": "[0-9-]{10}")?'
        || '(, "store": "[A-Za-z0-9_.:/-]{1,32}")?(, "same": "-?[0-9a-f]{1,16}")?\}$')
      and (to_jsonb(new) - 'payload') = (to_jsonb(old) - 'payload')
      and exists (
        select
        from public.runtime_erasure e
        where e.stream_id = old.stream_id and e.lane = old.lane and e.position = old.position
      ) then
    return new;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create or replace trigger runtime_erased_only before update on runtime_message for each row
  execute function runtime_erased_only();

create or replace function runtime_erased_answer_only() returns trigger
language plpgsql as $$
begin
  if new.answer is null and new.payload is null and new.detail = 'erased'
      and (to_jsonb(new) - 'answer' - 'detail' - 'payload') = (to_jsonb(old) - 'answer' - 'detail' - 'payload')
      and exists (
        select
        from public.runtime_erasure e
        join public.runtime_subscription s on s.stream_id = e.stream_id
        where s.id = old.subscription_id and e.lane = old.lane and e.position between old.first and old.last
      ) then
    return new;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create or replace trigger runtime_append_only before update on runtime_attempt for each row
  execute function runtime_erased_answer_only();
