-- The connection is at fault: the circuit breaker opens at once, and stays open until a call succeeds. Calls that were
-- under way when it opened say nothing new and must not double the pause. The pauses of another fault, or of failures
-- before this one, do not count for it; `fault_since` is when this kind of fault was met first, `fault_subscription`
-- the target that met it, null once a second one has.
update runtime_vendorstate
set failures = failures + 1,
    last_error = %(detail)s,
    last_error_at = clock_timestamp(),
    openings = case
        when fault <> %(kind)s then 1
        when {opens_anew} then openings + 1
        else openings
    end,
    open_until = case
        when {opens_anew} then clock_timestamp() + make_interval(secs => {pause})
        else open_until
    end,
    breaker = 'open',
    fault_since = case when fault = %(kind)s then fault_since else clock_timestamp() end,
    fault = %(kind)s,
    fault_detail = %(detail)s,
    fault_subscription = case
        when fault <> %(kind)s then %(subscription)s::bigint
        when fault_subscription = %(subscription)s::bigint then fault_subscription
    end,
    probe_subscription = null,
    probe_lane = null,
    probe_until = 'epoch'
where id = %(vendor)s
