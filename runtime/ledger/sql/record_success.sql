-- A call of a target succeeded. Written once a minute while all is well. A fault of the connection is over; where
-- another target alone had met it, that one is tried by itself at once, and held by itself if it meets it again.
with was as materialized (
    select
        fault,
        fault_detail,
        fault_since,
        fault_subscription
    from runtime_vendorstate
    where id = %(vendor)s
        and fault <> ''
        and fault_subscription <> %(subscription)s
),
own as (
    update runtime_subscription s
    set fault = was.fault,
        fault_detail = was.fault_detail,
        fault_since = was.fault_since,
        fault_tries = 0,
        held_until = 'epoch'
    from was
    where s.id = was.fault_subscription
        and s.fault = ''
)
update runtime_vendorstate
set breaker = 'closed',
    failures = 0,
    openings = 0,
    fault = '',
    fault_detail = '',
    fault_since = null,
    fault_subscription = null,
    probe_subscription = null,
    probe_lane = null,
    probe_until = 'epoch',
    last_success_at = clock_timestamp()
where id = %(vendor)s
    and (
        breaker <> 'closed'
        or failures > 0
        or last_success_at is null
        or last_success_at < clock_timestamp() - interval '1 minute'
    )
