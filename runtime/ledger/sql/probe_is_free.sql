-- The circuit breaker of a vendor v is due for a probe, and that is neither under way nor kept for the question of a
-- person about a message of another target: `probe_subscription` without a lane, for a while.
(
    v.open_until <= clock_timestamp()
    and v.probe_until <= clock_timestamp()
    and (
        v.probe_subscription is null
        or v.probe_lane is not null
        or v.probe_subscription = {asking}
        or v.open_until < clock_timestamp() - make_interval(secs => {kept})
    )
)
