-- A call failed. Calls that were under way when the circuit breaker opened fail after it: they say nothing new and
-- must not double the pause, as a failed probe does. A call that was made had its secret and its host name, so a fault
-- of these two is over; the other faults are over with a success only.
update runtime_vendorstate
set failures = failures + 1,
    last_error = %(error)s,
    last_error_at = clock_timestamp(),
    not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %(retry_after)s)),
    openings = case when {opens_anew} then openings + 1 else openings end,
    breaker = case when failures + 1 >= %(limit)s then 'open' else breaker end,
    open_until = case when {opens_anew}
        then clock_timestamp() + make_interval(secs => {pause})
        else open_until
    end,
    fault = case when fault in ('secret', 'name') then '' else fault end,
    fault_detail = case when fault in ('secret', 'name') then '' else fault_detail end,
    fault_subscription = case when fault in ('secret', 'name') then null else fault_subscription end,
    fault_since = case when fault in ('secret', 'name') then null else fault_since end,
    probe_subscription = null,
    probe_lane = null,
    probe_until = 'epoch'
where id = %(vendor)s
