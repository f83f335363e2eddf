-- Lanes that sleep while their gate is closed (`runtime/ledger/gate_sleep.py`). They have something to take, so what
-- wakes them is no message but their gate.

-- Targets as the gate looks at them. What people decide is the same for all of one kind: what they close is a
-- deployment, a target, a system, or stores, which are told apart while a freeze of stores is in force. `opens_at`:
-- until then its connection, its vendor's circuit breaker, its vendor's own word or the budget of the day lets it take
-- nothing.
create or replace view runtime_gate_kind as
select
    s.id as subscription_id,
    row(
        s.open,
        s.deployment_id,
        s.target,
        v.system_key,
        s.instance = '',
        t.id is null,
        t.banner_id,
        t.channel_id,
        t.region_id,
        t.zone
    )::text as kind,
    greatest(
        s.held_until,
        v.not_before,
        case when v.breaker <> 'closed' then v.open_until end,
        case when v.spent >= v.budget and (v.spent_on < (clock_timestamp() at time zone 'UTC')::date) is not true
            then ((clock_timestamp() at time zone 'UTC')::date + 1)::timestamp at time zone 'UTC'
        end
    ) as opens_at
from runtime_subscription s
join runtime_vendorstate v on v.id = s.vendor_id
left join catalog_retailstore t on (select runtime_stores_are_frozen()) and t.key = s.instance and t.retired_at is null;

-- Whether people let this target take work now. With a plan of its own.
create or replace function runtime_is_permitted(asked bigint) returns boolean
language plpgsql volatile as $$
begin
  return exists (select from public.runtime_permitted p where p.subscription_id = asked);
end $$;
