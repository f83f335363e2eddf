-- How another target has ended a message without delivering it: declined with its batch, or declined or discarded by
-- itself.
select
    s.target,
    e.outcome,
    e.detail
from (
    select
        t.subscription_id,
        t.outcome,
        t.detail,
        t.id
    from runtime_attempt t
    where t.subscription_id = %(other)s
        and t.lane = %(lane)s
        and t.last >= %(position)s
        and t.first <= %(position)s
        and t.outcome in ('declined', 'given_up')
    union all
    select
        d.subscription_id,
        'declined',
        coalesce((
            select t.detail
            from runtime_attempt t
            where t.subscription_id = d.subscription_id
                and t.lane = d.lane
                and t.first = %(position)s
                and t.last = %(position)s
            order by t.id desc
            limit 1
        ), ''),
        0
    from runtime_delivery d
    where d.subscription_id = %(other)s
        and d.lane = %(lane)s
        and d.last between %(position)s and %(position)s + 10000 -- no batch is longer
        and d.first <= %(position)s
        and d.declined > 0
        and substr(d.outcomes, (%(position)s - d.first + 1)::int, 1) = 'd'
) e
join runtime_subscription s on s.id = e.subscription_id
order by e.id desc
limit 1
