-- Keep a claimed message in quarantine after its try. What was sent first is not sent later than that: the worker may
-- have stood still since it counted the seconds, in this transaction.
update runtime_quarantine
set state = %s,
    reason_class = %s,
    fingerprint = %s,
    reason = %s,
    lease_until = 'epoch',
    ask_only = false,
    not_before = clock_timestamp() + make_interval(secs => %s),
    intent_release = %s,
    attempt = attempt - %s,
    rounds = %s,
    accepted_as = %s,
    first_sent_at = case
        when %s::float8 is not null then least(first_sent_at, transaction_timestamp() - make_interval(secs => %s))
    end,
    sent_at = clock_timestamp() - make_interval(secs => %s)
where subscription_id = %s
    and lane = %s
    and position = %s
    and token = %s
