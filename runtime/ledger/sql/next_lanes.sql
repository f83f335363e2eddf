-- A target that has everything from before a change of lanes goes on with the messages after it: to the end of the log,
-- or to the next change. Lanes that are in use no longer stay where they are. What one lane waits for, each waits for:
-- a replay may be sending, and the newer state of its key may stand in any of them now.
with target as (
    select
        s.id,
        c.first,
        c.lanes,
        n.id as next_change,
        n.ends
    from runtime_subscription s
    join runtime_lanechange c on c.id = s.lane_change
    left join lateral (
        select
            x.id,
            x.ends
        from runtime_lanechange x
        where x.stream_id = c.stream_id and x.id > c.id
        order by x.id
        limit 1
    ) n on true
    where s.id = %(subscription)s
),
moved as (
    update runtime_progress p
    set position = t.first - 1,
        not_before = greatest(p.not_before, (
            select max(w.not_before)
            from runtime_progress w
            where w.subscription_id = t.id
        )),
        upto = case when p.lane < t.lanes then t.ends[p.lane + 1] else t.first - 1 end
    from target t
    where p.subscription_id = t.id
)
update runtime_subscription s
set lane_change = t.next_change
from target t
where s.id = t.id
