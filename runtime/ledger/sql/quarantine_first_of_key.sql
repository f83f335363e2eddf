-- Order within a key: no earlier message of it is in quarantine.
not exists (
    select
    from runtime_quarantine e
    where e.subscription_id = o.subscription_id
        and e.key = o.key
        and e.position < o.position
)
