-- Everything is asked about before it is sent, without an end for now. Calls of before may still be under way at the
-- vendors, so nobody calls them for a moment.
with vendors as (
    update runtime_vendorstate v
    set not_before = greatest(v.not_before, clock_timestamp() + make_interval(secs => %(settle)s))
    where exists (select from runtime_subscription s where s.vendor_id = v.id and s.kind = 'vendor')
)
update runtime_progress p
set ask_until = %(endless)s
from runtime_subscription s
where s.id = p.subscription_id
    and s.kind = 'vendor'
