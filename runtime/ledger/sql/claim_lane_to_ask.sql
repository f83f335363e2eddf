-- Claim a lane whose gate is closed and whose last call has no answer yet: it may be asked about, nothing is taken or
-- sent. One with an open intent does not sleep. A system that answers elsewhere than approved is not asked either.
with c as materialized (
    select
        q.subscription_id,
        q.lane,
        q.owner,
        q.lease_until as lease_ended_at,
        coalesce(q.intent_release, d.release_id) as release_id,
        s.deployment_id,
        {claim_columns},
        false as limited,
        false as metered
    from runtime_progress q
    join runtime_subscription s on s.id = q.subscription_id
    join runtime_stream t on t.id = s.stream_id
    join runtime_deployment d on d.id = s.deployment_id
    join runtime_vendorstate v on v.id = s.vendor_id
    where {claim_scope}
        and not q.asleep
        and q.intent is not null
        and (
            q.owner is null
            or q.session is null
            or {lease_is_over}
        )
        and q.not_before < clock_timestamp()
        and v.breaker = 'closed'
        and v.not_before <= clock_timestamp()
        and not exists (select from runtime_permitted g where g.subscription_id = q.subscription_id)
        and not exists (select from runtime_destination_moved m where m.approval_id = d.approval_id)
    order by q.lease_until
    limit 1
    for update of q skip locked
)
update runtime_progress p
set token = p.token + 1,
    owner = %(me)s,
    session = pg_backend_pid(),
    ask_only = true,
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
    p.upto,
    p.ask_until,
    p.intent,
    p.rounds,
    extract(epoch from clock_timestamp() - p.intent_at)::float8 as first_sent_ago,
    extract(epoch from clock_timestamp() - p.sent_at)::float8 as sent_ago,
    case when c.owner is not null
        then extract(epoch from clock_timestamp() - c.lease_ended_at)::float8
    end as overdue_by
