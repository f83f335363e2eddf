-- No target that must have the message first has it in quarantine.
(
    s.after_subscription is null
    or not exists (
        select
        from runtime_quarantine w
        where w.subscription_id = s.after_subscription
            and w.lane = o.lane
            and w.position = o.position
    )
)
