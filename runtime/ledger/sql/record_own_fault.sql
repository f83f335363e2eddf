-- The connection of one target is at fault while others of its vendor work: this target is held by itself.
update runtime_subscription
set fault_since = case when fault = %(kind)s then fault_since else clock_timestamp() end,
    fault_tries = case when fault = %(kind)s then fault_tries + 1 else 1 end,
    held_until = clock_timestamp() + make_interval(secs => {pause}),
    fault = %(kind)s,
    fault_detail = %(detail)s
where id = %(subscription)s
