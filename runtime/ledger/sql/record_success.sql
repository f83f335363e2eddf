-- A call succeeded. Written once a minute while all is well.
update runtime_vendorstate
set breaker = 'closed',
    failures = 0,
    openings = 0,
    fault = '',
    fault_detail = '',
    fault_since = null,
    probe_subscription = null,
    probe_lane = null,
    probe_until = 'epoch',
    last_success_at = clock_timestamp()
where id = %s
    and (
        breaker <> 'closed'
        or failures > 0
        or last_success_at is null
        or last_success_at < clock_timestamp() - interval '1 minute'
    )
