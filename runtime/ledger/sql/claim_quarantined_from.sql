-- What is read of the first due messages o of a lane x, its target and its vendor before one is picked.
select
    x.subscription_id,
    x.lane,
    o.position,
    s.deployment_id,
    d.release_id,
    {claim_columns},
    v.breaker <> 'closed' or v.concurrency is not null as limited,
    v.rate is not null or v.budget is not null as metered
from places x
join runtime_subscription s on s.id = x.subscription_id
join runtime_stream t on t.id = s.stream_id
join runtime_deployment d on d.id = s.deployment_id
join runtime_vendorstate v on v.id = s.vendor_id
cross join lateral (
    select
        o.position,
        o.not_before
    from runtime_quarantine o
    where o.subscription_id = x.subscription_id
        and o.lane = x.lane
        and (o.state in ('retry', 'sending') or (o.state = 'behind' and not o.asleep))
        and o.not_before < statement_timestamp()
        and {lease_is_over}
        and {of_which}
        and {first_of_its_key}
    order by o.not_before, o.position
    limit 32
) o
