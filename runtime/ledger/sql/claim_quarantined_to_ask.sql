-- Claim a quarantined message whose gate is closed and that may have reached its vendor: it may be asked about,
-- nothing is sent. One without `intent_release` was asked about already.
with c as materialized (
    select
        f.*,
        q.state as previous_state,
        q.lease_until > 'epoch' as lost
    from (
        {message_and_target}
        where {claim_scope}
            and o.state = 'sending'
            and o.intent_release is not null
            and o.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
            and o.not_before < clock_timestamp()
            and s.kind = 'vendor'
            and v.breaker = 'closed'
            and v.not_before <= clock_timestamp()
            and {pace_allows}
            and {first_of_its_key}
        order by s.tier, o.not_before, o.position
        offset 0
    ) f
    join runtime_quarantine q
        on q.subscription_id = f.subscription_id and q.lane = f.lane and q.position = f.position
    where q.state = 'sending'
        and q.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
        and q.not_before < clock_timestamp()
        and not exists (select from runtime_permitted g where g.subscription_id = f.subscription_id)
    limit 1
    for update of q skip locked
)
{take}
