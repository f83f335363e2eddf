-- Everything is asked about before it is sent, without an end for now. Calls of before may still be under way at the
-- vendors, for as long as each may act on them, so nobody calls them before that.
with vendors as (
    update runtime_vendorstate v
    set not_before = greatest(v.not_before, clock_timestamp() + make_interval(secs => t.longest))
    from (
        select
            s.vendor_id,
            max(greatest(%(least)s, coalesce(s.deadline, 0) + coalesce(s.settle, %(settle)s))) as longest
        from runtime_subscription s
        where s.kind = 'vendor' and s.open
        group by s.vendor_id
    ) t
    where t.vendor_id = v.id
)
update runtime_progress p
set ask_until = %(endless)s
from runtime_subscription s
where s.id = p.subscription_id
    and s.kind = 'vendor'
