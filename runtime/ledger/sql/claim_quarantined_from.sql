-- What is read of a quarantined message o, its target and its vendor before one is picked.
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
