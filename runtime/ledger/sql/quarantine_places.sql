-- The lanes with quarantined messages that a worker may try, found by one step in the index for each of them: neither
-- dead letters nor what sleeps behind an earlier message of its key is looked at.
places as (
    (
        select
            q.subscription_id,
            q.lane
        from runtime_quarantine q
        where (q.state in ('retry', 'sending') or (q.state = 'behind' and not q.asleep))
        order by q.subscription_id, q.lane
        limit 1
    )
    union all
    select
        n.subscription_id,
        n.lane
    from places p
    cross join lateral (
        select
            q.subscription_id,
            q.lane
        from runtime_quarantine q
        where (q.state in ('retry', 'sending') or (q.state = 'behind' and not q.asleep))
            and (q.subscription_id, q.lane) > (p.subscription_id, p.lane)
        order by q.subscription_id, q.lane
        limit 1
    ) n
)
