-- Everything is asked about before it is sent, without an end for now. Calls of before may still be under way, so
-- nobody calls the vendors before that is over: an owner of a claim that these rows do not know of goes on until its
-- lease ends, by its own clock, and a vendor may act on what was sent last for its own time after that. No row of a
-- lane or of the quarantine tells which claims there were, so all wait for the longest lease that there is at a vendor.
with vendors as (
    update runtime_vendorstate v
    set not_before = greatest(v.not_before, clock_timestamp() + make_interval(secs => t.longest))
    from ({calls_of_before}) t
    where t.vendor_id = v.id
)
update runtime_progress p
set ask_until = %(endless)s
from runtime_subscription s
where s.id = p.subscription_id
    and s.kind = 'vendor'
