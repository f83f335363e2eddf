-- Which messages between two positions another target has passed without delivering them: they are quarantined there,
-- or have ended there without delivery. Skipped and superseded messages count as settled.
select q.position
from runtime_quarantine q
where q.subscription_id = %(other)s
    and q.lane = %(lane)s
    and q.position between %(first)s and %(last)s
union
select p.position
from runtime_attempt t
cross join lateral generate_series(greatest(t.first, %(first)s::bigint), least(t.last, %(last)s::bigint)) p (position)
where t.subscription_id = %(other)s
    and t.lane = %(lane)s
    and t.last >= %(first)s
    and t.first <= %(last)s
    and t.outcome in ('declined', 'given_up')
union
select p.position
from runtime_delivery d
cross join lateral generate_series(greatest(d.first, %(first)s::bigint), least(d.last, %(last)s::bigint)) p (position)
where d.subscription_id = %(other)s
    and d.lane = %(lane)s
    and d.last between %(first)s and %(last)s::bigint + 10000 -- no batch is longer
    and d.first <= %(last)s
    and d.declined > 0
    and substr(d.outcomes, (p.position - d.first + 1)::int, 1) = 'd'
