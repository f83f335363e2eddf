-- Quarantine one message. Doing it again changes nothing.
insert into runtime_quarantine (
    subscription_id, lane, position, key, state, reason_class, fingerprint, reason, not_before, intent_release,
    rounds, accepted_as, first_sent_at, sent_at
)
values (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s), %s,
    %s, %s, clock_timestamp() - make_interval(secs => %s), clock_timestamp() - make_interval(secs => %s))
on conflict do nothing
