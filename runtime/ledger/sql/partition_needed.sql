-- Whether an open target has still to take something from a partition, or a quarantined message stands in it.
select
    exists (
        select
        from {part} m
        join runtime_subscription s on s.stream_id = m.stream_id and s.open
        join runtime_progress p on p.subscription_id = s.id and p.lane = m.lane
        where m.position > p.position
            and (p.upto is null or m.position <= p.upto)
    )
    or exists (
        select
        from {part} m
        join runtime_subscription s on s.stream_id = m.stream_id
        join runtime_quarantine k on k.subscription_id = s.id and k.lane = m.lane and k.position = m.position
    )
