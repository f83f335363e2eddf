-- Quarantine one message. Doing it again changes nothing. `first_sent_at` counts from the beginning of the transaction,
-- in which the worker counted the seconds, and `sent_at` from the present: it may have stood still in between.
insert into runtime_quarantine (
    subscription_id, lane, position, key, state, reason_class, fingerprint, reason, not_before, intent_release,
    rounds, accepted_as, first_sent_at, sent_at
)
values (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s), %s,
    %s, %s, transaction_timestamp() - make_interval(secs => %s), clock_timestamp() - make_interval(secs => %s))
on conflict do nothing
