-- Claim the lane that has waited longest in the most critical tier. Candidates are found by cheap conditions and put
-- in order first; then the gate is asked for one after the other until one is open, so the price of a claim does not
-- grow with the number of lanes that wait (600 stores of a fleet, say). `offset 0` keeps the two steps apart.
-- `materialized` is not about speed: a subselect with a limit may be run once for every row that is updated. Lanes of
-- lost owners come first; busy lanes would otherwise always be before them. `sent_at` is the latest time at which what
-- the open intent names can have left: what a lost owner sent left before its lease ended. `a` is the same lane of the
-- target that must have a message first (`after`): nothing beyond its position is taken.
with c as materialized (
    select
        f.*,
        q.owner,
        q.lease_until as lease_ended_at
    from (
        select
            o.subscription_id,
            o.lane,
            s.deployment_id,
            d.release_id,
            a.position as after_position,
            {claim_columns},
            v.breaker <> 'closed' or v.concurrency is not null as limited,
            v.rate is not null or v.budget is not null as metered
        from runtime_progress o
        join runtime_subscription s on s.id = o.subscription_id
        join runtime_stream t on t.id = s.stream_id
        join runtime_lane l on l.stream_id = s.stream_id and l.lane = o.lane
        join runtime_deployment d on d.id = s.deployment_id
        join runtime_vendorstate v on v.id = s.vendor_id
        left join runtime_progress a on a.subscription_id = s.after_subscription and a.lane = o.lane
        where s.open
            and d.active
            and not d.paused
            and {claim_scope}
            and {candidate_is_free}
            and o.not_before < clock_timestamp()
            and (
                o.position < least(l.next - 1, o.upto, a.position)
                or o.intent is not null
            )
            and v.not_before <= clock_timestamp()
            and (
                v.breaker = 'closed'
                or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp())
            )
            and (
                v.concurrency is null
                or v.concurrency > (
                    select count(*)
                    from runtime_progress h
                    join runtime_subscription hs on hs.id = h.subscription_id
                    where hs.vendor_id = v.id
                        and h.owner is not null
                        and h.lease_until > clock_timestamp()
                )
            )
        order by s.tier, o.owner is null, o.lease_until
        offset 0
    ) f
    join runtime_progress q on q.subscription_id = f.subscription_id and q.lane = f.lane
    where {locked_is_free}
        and q.not_before < clock_timestamp()
        and runtime_may_take(f.subscription_id, f.release_id)
    limit 1
    for update of q skip locked
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
