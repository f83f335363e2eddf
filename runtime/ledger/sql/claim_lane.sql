-- Claim the lane that has waited longest in the most critical tier. `runtime_next_lane` finds and locks it, in the
-- order of an index and no further than the first that can be taken (`runtime/sql/70_turns.sql`); what the claim needs
-- beyond that is read for this one alone. `materialized` is not about speed: a function in a subselect may be called
-- once for every row that is updated. `sent_at` is the latest time at which what the open intent names can have left:
-- what a lost owner sent left before its lease ended. `a` is the same lane of the target that must have a message first
-- (`after`): nothing beyond its position is taken.
with picked as materialized (
    select *
    from runtime_next_lane(
        %(tiers)s, %(only)s::bigint[], %(shards)s::int[], {shards}, to_timestamp(%(clock)s::float8), {kept}
    )
),
c as (
    select
        x.*,
        s.deployment_id,
        (
            select a.position
            from runtime_progress a
            where a.subscription_id = s.after_subscription
                and a.lane = x.lane
        ) as after_position,
        {claim_columns},
        v.breaker <> 'closed' or v.concurrency is not null as limited,
        v.rate is not null or v.budget is not null as metered
    from picked x
    join runtime_subscription s on s.id = x.subscription_id
    join runtime_stream t on t.id = s.stream_id
    join runtime_vendorstate v on v.id = s.vendor_id
)
update runtime_progress p
set token = p.token + 1,
    owner = %(me)s,
    session = pg_backend_pid(),
    ask_only = false,
    attempt = p.attempt + (c.owner is not null)::int,
    sent_at = case
        when p.intent is null then null
        when c.owner is not null and not p.ask_only then greatest(p.sent_at, c.lease_ended_at)
        else coalesce(p.sent_at, c.lease_ended_at)
    end,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
from c
where p.subscription_id = c.subscription_id
    and p.lane = c.lane
returning
    {claim_returning},
    least(p.upto, c.after_position) as upto,
    p.ask_until,
    p.intent,
    p.rounds,
    extract(epoch from clock_timestamp() - p.intent_at)::float8 as first_sent_ago,
    extract(epoch from clock_timestamp() - p.sent_at)::float8 as sent_ago,
    case when c.owner is not null
        then extract(epoch from clock_timestamp() - c.lease_ended_at)::float8
    end as overdue_by
