-- For how long calls may be under way at each vendor whose callers have lost the database: the longest lease of a claim
-- (`runtime/ledger/leases.py`), and the vendor's own time after the last call.
select
    s.vendor_id,
    max(
        greatest(
            {lease},
            coalesce(s.deadline, {default_deadline}) + {margin},
            coalesce(s.deadline, {default_deadline}) * {calls}
        )
        + coalesce(s.settle, {default_settle})
    ) as longest
from runtime_subscription s
where s.kind = 'vendor' and s.open
group by s.vendor_id
