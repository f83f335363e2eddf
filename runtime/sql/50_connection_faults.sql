-- Faults of connections are told to people: an event of the outbox when one is met first, and when it is over.
create or replace function runtime_vendor_fault() returns trigger
language plpgsql as $$
begin
  insert into kernel_outboxevent (topic, key, payload, request_id, attempts, last_error)
  values (
    case when new.fault = '' then 'runtime.connection_restored' else 'runtime.connection_fault' end,
    'vendor:' || new.id,
    jsonb_build_object(
      'vendor', new.id, 'system', new.system_key, 'instance', new.instance, 'environment', new.environment,
      'fault', new.fault, 'was', old.fault, 'detail', new.fault_detail
    ),
    '', 0, ''
  );
  return null;
end $$;

create or replace trigger runtime_vendor_fault after update on runtime_vendorstate for each row
  when (new.fault is distinct from old.fault)
  execute function runtime_vendor_fault();

-- The fault of one target alone counts once that target has met it again by itself.
create or replace function runtime_target_fault() returns trigger
language plpgsql as $$
begin
  insert into kernel_outboxevent (topic, key, payload, request_id, attempts, last_error)
  select
    case when new.fault_tries = 0 then 'runtime.connection_restored' else 'runtime.connection_fault' end,
    'target:' || new.id,
    jsonb_build_object(
      'vendor', v.id, 'system', v.system_key, 'instance', v.instance, 'environment', v.environment,
      'subscription', new.id, 'target', new.target, 'fault', new.fault, 'was', old.fault, 'detail', new.fault_detail
    ),
    '', 0, ''
  from runtime_vendorstate v
  where v.id = new.vendor_id;
  return null;
end $$;

create or replace trigger runtime_target_fault after update on runtime_subscription for each row
  when ((new.fault_tries > 0) <> (old.fault_tries > 0))
  execute function runtime_target_fault();

-- A question that is wrong in itself holds nothing back, so nobody would notice: an event when it is met first, and
-- when a question has an answer again.
create or replace function runtime_question_fault() returns trigger
language plpgsql as $$
begin
  insert into kernel_outboxevent (topic, key, payload, request_id, attempts, last_error)
  select
    case when new.question_fault = '' then 'runtime.question_restored' else 'runtime.question_fault' end,
    'target:' || new.id,
    jsonb_build_object(
      'vendor', v.id, 'system', v.system_key, 'instance', v.instance, 'environment', v.environment,
      'subscription', new.id, 'target', new.target, 'fault', new.question_fault, 'was', old.question_fault,
      'detail', new.question_fault_detail
    ),
    '', 0, ''
  from runtime_vendorstate v
  where v.id = new.vendor_id;
  return null;
end $$;

create or replace trigger runtime_question_fault after update on runtime_subscription for each row
  when (new.question_fault is distinct from old.question_fault)
  execute function runtime_question_fault();
