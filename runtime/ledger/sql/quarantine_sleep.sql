-- Let messages sleep that wait for an earlier one of their key, or for the target that must have them first: nothing
-- looks at them until that one leaves the quarantine, which wakes them (`runtime/sql/60_wake.sql`). A bounded number,
-- and none that somebody holds. A wake-up moves `not_before`, so one that comes between the two steps is not overslept.
with seen as materialized (
    select
        o.subscription_id,
        o.lane,
        o.position,
        o.not_before
    from runtime_quarantine o
    where o.state = 'behind'
        and not o.asleep
        and o.not_before < clock_timestamp()
        and (
            exists (
                select
                from runtime_quarantine e
                where e.subscription_id = o.subscription_id
                    and e.key = o.key
                    and e.position < o.position
            )
            or exists (
                select
                from runtime_subscription s
                join runtime_quarantine w on w.subscription_id = s.after_subscription
                where s.id = o.subscription_id
                    and w.lane = o.lane
                    and w.position = o.position
            )
        )
    limit %s
),
held as materialized (
    select
        q.subscription_id,
        q.lane,
        q.position
    from seen x
    join runtime_quarantine q
        on q.subscription_id = x.subscription_id and q.lane = x.lane and q.position = x.position
    where q.state = 'behind'
        and not q.asleep
        and q.not_before = x.not_before
    for update of q skip locked
)
update runtime_quarantine p
set asleep = true
from held h
where p.subscription_id = h.subscription_id
    and p.lane = h.lane
    and p.position = h.position
