-- Claim the quarantined message that has been due longest; none of its key may be in quarantine before it. Of each lane
-- the first due ones are read, put in order, and asked for their gate and locked one after the other. `offset 0` and
-- `lateral` keep the steps apart and in order; `materialized`: a subselect with a limit may be run once for every row
-- that is updated.
with recursive {places},
c as materialized (
    select
        f.*,
        q.state as previous_state,
        q.lease_until > 'epoch' as lost
    from (
        {message_and_target}
        where {claim_scope}
            and v.not_before <= clock_timestamp()
            and (
                v.breaker = 'closed'
                or {probe_is_free}
            )
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
            and w.state in ('retry', 'behind', 'sending')
            and {lease_is_over}
            and w.not_before < clock_timestamp()
        for no key update skip locked
    ) q
    where runtime_may_take(f.subscription_id, f.release_id)
    limit 1
)
{take}
