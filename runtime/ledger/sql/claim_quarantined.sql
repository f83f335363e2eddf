-- Claim the quarantined message that has been due longest; none of its key may be in quarantine before it.
-- The order of the two steps, `offset 0` and `materialized` are explained in claim_lane.sql.
with c as materialized (
    select
        f.*,
        q.state as previous_state,
        q.lease_until > 'epoch' as lost
    from (
        {message_and_target}
        where {claim_scope}
            and o.state in ('retry', 'behind', 'sending')
            and o.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
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
        and q.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
        and q.not_before < clock_timestamp()
        and runtime_may_take(f.subscription_id, f.release_id)
    limit 1
    for update of q skip locked
)
{take}
