-- A quarantined message takes its turn in the pace of its lane.
(
    s.pace is null
    or exists (
        select
        from runtime_progress g
        where g.subscription_id = x.subscription_id
            and g.lane = x.lane
            and g.not_before < clock_timestamp()
    )
)
