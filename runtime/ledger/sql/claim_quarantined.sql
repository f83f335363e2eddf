-- Claim the quarantined message that has been due longest; none of its key may be in quarantine before it.
-- The order of the two steps, `offset 0` and `materialized` are explained in claim_lane.sql. The lease holds for all
-- calls that one try may make, for nothing renews it: the try may run in a child without a database. Without a time in
-- the row, what is `sending` was sent first, and last, when it came into quarantine.
with c as materialized (
    select
        f.*,
        q.state as previous_state,
        q.lease_until > 'epoch' as lost
    from (
        select
            o.subscription_id,
            o.lane,
            o.position,
            s.deployment_id,
            d.release_id,
            {claim_columns},
            v.breaker <> 'closed' or v.concurrency is not null as limited,
            v.rate is not null or v.budget is not null as metered
        from runtime_quarantine o
        join runtime_subscription s on s.id = o.subscription_id
        join runtime_stream t on t.id = s.stream_id
        join runtime_deployment d on d.id = s.deployment_id
        join runtime_vendorstate v on v.id = s.vendor_id
        where {claim_scope}
            and o.state in ('retry', 'behind', 'sending')
            and o.lease_until < clock_timestamp()
            and o.not_before < clock_timestamp()
            and v.not_before <= clock_timestamp()
            and (
                v.breaker = 'closed'
                or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp())
            )
            and {pace_allows}
            and {first_of_its_key}
            and (
                s.after_subscription is null
                or not exists (
                    select
                    from runtime_quarantine w
                    where w.subscription_id = s.after_subscription
                        and w.lane = o.lane
                        and w.position = o.position
                )
            )
        order by s.tier, o.not_before, o.position
        offset 0
    ) f
    join runtime_quarantine q
        on q.subscription_id = f.subscription_id and q.lane = f.lane and q.position = f.position
    where q.state in ('retry', 'behind', 'sending')
        and q.lease_until < clock_timestamp()
        and q.not_before < clock_timestamp()
        and runtime_may_take(f.subscription_id, f.release_id)
    limit 1
    for update of q skip locked
)
update runtime_quarantine p
set token = p.token + 1,
    attempt = p.attempt + 1,
    sent_at = case
        when c.lost and not p.ask_only then greatest(p.sent_at, p.lease_until)
        when c.previous_state = 'sending' then coalesce(p.sent_at, p.first_seen_at)
        else p.sent_at
    end,
    lease_until = clock_timestamp() + make_interval(secs => greatest(%(lease)s, {calls} * c.deadline)),
    ask_only = false,
    state = 'sending',
    intent_release = case
        when c.previous_state = 'sending' then coalesce(p.intent_release, c.release_id)
        else c.release_id
    end
from c
where p.subscription_id = c.subscription_id
    and p.lane = c.lane
    and p.position = c.position
returning
    {claim_returning},
    p.key,
    p.payload,
    p.fresh_key,
    p.not_arrived,
    (
        select g.ask_until
        from runtime_progress g
        where g.subscription_id = p.subscription_id
            and g.lane = p.lane
    ) as ask_until,
    p.reason_class,
    c.previous_state,
    c.lost,
    c.deadline,
    p.rounds,
    p.accepted_as,
    extract(epoch from clock_timestamp() - case
        when c.previous_state = 'sending' then coalesce(p.first_sent_at, p.first_seen_at)
        else p.first_sent_at
    end)::float8 as first_sent_ago,
    extract(epoch from clock_timestamp() - p.sent_at)::float8 as sent_ago,
    exists (
        select
        from runtime_vendorstate v
        where v.id = c.vendor_id
            and v.breaker = 'closed'
            and v.failures = 0
            and v.last_success_at > p.first_seen_at
    ) as vendor_works
