-- Claim a quarantined message whose gate is closed and that may have reached its vendor: it may be asked about,
-- nothing is sent. One without `intent_release` was asked about already.
with recursive {places},
c as materialized (
    select
        f.*,
        q.state as previous_state,
        q.lease_until > 'epoch' as lost
    from (
        {message_and_target}
        where {claim_scope}
            and s.kind = 'vendor'
            and v.breaker = 'closed'
            and v.not_before <= clock_timestamp()
            and {pace_allows}
        order by s.tier, o.not_before, o.position
        offset 0
    ) f
    cross join lateral (
        select
            w.state,
            w.lease_until
        from runtime_quarantine w
        where w.subscription_id = f.subscription_id
            and w.lane = f.lane
            and w.position = f.position
            and w.state = 'sending'
            and w.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
            and w.not_before < clock_timestamp()
        for no key update skip locked
    ) q
    where not exists (select from runtime_permitted g where g.subscription_id = f.subscription_id)
    limit 1
)
{take}
