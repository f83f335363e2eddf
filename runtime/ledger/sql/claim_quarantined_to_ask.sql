-- Claim a quarantined message whose gate is closed and that may have reached its vendor: it may be asked about,
-- nothing is sent. One without `intent_release` was asked about already. A system that answers elsewhere than approved
-- is not asked either.
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
            and {lease_is_over}
            and w.not_before < clock_timestamp()
        for no key update skip locked
    ) q
    where not exists (select from runtime_permitted g where g.subscription_id = f.subscription_id)
        and not exists (
            select
            from runtime_subscription a
            join runtime_deployment d on d.id = a.deployment_id
            join runtime_destination_moved m on m.approval_id = d.approval_id
            where a.id = f.subscription_id
        )
    limit 1
)
{take}
