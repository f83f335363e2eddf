-- Let messages sleep that wait for an earlier one of their key, or for the target that must have them first: nothing
-- looks at them until that one leaves the quarantine, which wakes them (`runtime/sql/60_wake.sql`). A bounded number,
-- and none that somebody holds. A wake-up moves `not_before`, so one that comes between the two steps is not overslept.
-- The one before it is held, too, until this is committed: a transaction that is taking it away may have woken what
-- was behind it then, and wakes nothing that falls asleep since.
with seen as materialized (
    select
        o.subscription_id,
        o.lane,
        o.position,
        o.not_before,
        a.subscription_id as before_subscription,
        a.lane as before_lane,
        a.position as before_position
    from runtime_quarantine o
    cross join lateral (
        (
            select
                e.subscription_id,
                e.lane,
                e.position
            from runtime_quarantine e
            where e.subscription_id = o.subscription_id
                and e.key = o.key
                and e.position < o.position
            order by e.position
            limit 1
        )
        union all
        (
            select
                w.subscription_id,
                w.lane,
                w.position
            from runtime_subscription s
            join runtime_quarantine w on w.subscription_id = s.after_subscription
            where s.id = o.subscription_id
                and w.lane = o.lane
                and w.position = o.position
        )
        limit 1
    ) a
    where o.state = 'behind'
        and not o.asleep
        and o.not_before < clock_timestamp()
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
    join runtime_quarantine b
        on b.subscription_id = x.before_subscription and b.lane = x.before_lane and b.position = x.before_position
    where q.state = 'behind'
        and not q.asleep
        and q.not_before = x.not_before
    for no key update of q skip locked
    for key share of b skip locked
)
update runtime_quarantine p
set asleep = true
from held h
where p.subscription_id = h.subscription_id
    and p.lane = h.lane
    and p.position = h.position
