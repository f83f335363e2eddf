-- Whether a limited vendor takes this claim, and whether it is the probe of an open circuit breaker. Asked under the
-- vendor's row lock in a statement of its own, which therefore sees what others have committed.
select
    (
        v.concurrency is null
        or v.concurrency >= (
            select count(*)
            from runtime_progress o
            join runtime_subscription os on os.id = o.subscription_id
            where os.vendor_id = v.id
                and o.owner is not null
                and o.lease_until > clock_timestamp()
        )
    )
    and (
        v.breaker = 'closed'
        or {probe_is_free}
    ),
    v.breaker <> 'closed'
from runtime_vendorstate v
where v.id = %(vendor)s
