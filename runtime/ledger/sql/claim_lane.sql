-- Claim the lane that has waited longest in the most critical tier, in steps that `materialized` keeps apart. What
-- waits is found by few columns of small tables: a lane costs about a microsecond, and nothing is counted, looked
-- up or sorted once for each. The places that are taken of limited vendors are counted once, and only where one is
-- limited. The first lanes are put in order, the others only where none of those can be taken; one after the other
-- is asked for its gate and locked, until one is open (`lateral` keeps the order, which a join would not). What
-- the claim needs beyond that is read for this one alone. `materialized` is not about speed in `picked`: a
-- subselect with a limit may be run once for every row that is updated. Lanes of lost owners come first; busy
-- lanes would otherwise always be before them. `sent_at` is the latest time at which what the open intent names
-- can have left: what a lost owner sent left before its lease ended. `a` is the same lane of the target that must
-- have a message first (`after`): nothing beyond its position is taken.
with held as materialized (
    select
        hs.vendor_id,
        count(*) as places
    from runtime_progress h
    join runtime_subscription hs on hs.id = h.subscription_id
    where h.owner is not null
        and h.lease_until > clock_timestamp()
    group by hs.vendor_id
),
served as materialized (
    select
        s.id,
        s.stream_id,
        s.tier,
        s.after_subscription,
        d.release_id
    from runtime_subscription s
    join runtime_deployment d on d.id = s.deployment_id
    join runtime_vendorstate v on v.id = s.vendor_id
    where s.open
        and d.active
        and not d.paused
        and {claim_scope}
        and v.not_before <= clock_timestamp()
        and (
            v.breaker = 'closed'
            or {probe_is_free}
        )
        and (
            v.concurrency is null
            or v.concurrency > coalesce((select h.places from held h where h.vendor_id = v.id), 0)
        )
),
due as materialized (
    select
        o.subscription_id,
        o.lane,
        s.release_id,
        s.tier,
        o.owner is null as released,
        o.lease_until
    from runtime_progress o
    join served s on s.id = o.subscription_id
    join runtime_lane l on l.stream_id = s.stream_id and l.lane = o.lane
    where {candidate_is_free}
        and o.not_before < statement_timestamp()
        and (
            o.position < least(l.next - 1, o.upto, case when s.after_subscription is not null then (
                select a.position
                from runtime_progress a
                where a.subscription_id = s.after_subscription
                    and a.lane = o.lane
            ) end)
            or o.intent is not null
        )
),
f as (
    (select * from due order by tier, released, lease_until limit 32)
    union all
    (select * from due order by tier, released, lease_until offset 32)
),
picked as materialized (
    select
        f.subscription_id,
        f.lane,
        f.release_id,
        q.owner,
        q.lease_until as lease_ended_at
    from f
    cross join lateral (
        select
            w.owner,
            w.lease_until
        from runtime_progress w
        where w.subscription_id = f.subscription_id
            and w.lane = f.lane
            and {locked_is_free}
            and w.not_before < clock_timestamp()
        for update skip locked
    ) q
    where runtime_may_take(f.subscription_id, f.release_id)
    limit 1
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
