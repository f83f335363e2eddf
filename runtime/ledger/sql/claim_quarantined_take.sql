-- Take the quarantined message that was picked as c, and what is answered of it. The lease holds for all calls that
-- one try may make, for nothing renews it: the try may run in a child without a database. Without a time in the row,
-- what is `sending` was sent first, and last, when it came into quarantine.
update runtime_quarantine p
set token = p.token + 1,
    attempt = p.attempt + 1,
    sent_at = case
        when c.lost and not p.ask_only then greatest(p.sent_at, p.lease_until)
        when c.previous_state = 'sending' then coalesce(p.sent_at, p.first_seen_at)
        else p.sent_at
    end,
    lease_until = clock_timestamp() + make_interval(secs => greatest(%(lease)s, {calls} * c.deadline)),
    ask_only = {ask_only},
    state = 'sending',
    intent_release = case
        when c.previous_state = 'sending' then coalesce(p.intent_release, c.release_id)
        else c.release_id
    end
from c
where p.subscription_id = c.subscription_id
    and p.lane = c.lane
    and p.position = c.position
returning
    {claim_returning},
    p.key,
    p.payload,
    p.fresh_key,
    p.not_arrived,
    (
        select g.ask_until
        from runtime_progress g
        where g.subscription_id = p.subscription_id
            and g.lane = p.lane
    ) as ask_until,
    p.reason_class,
    c.previous_state,
    c.lost,
    c.deadline,
    p.rounds,
    p.accepted_as,
    extract(epoch from clock_timestamp() - case
        when c.previous_state = 'sending' then coalesce(p.first_sent_at, p.first_seen_at)
        else p.first_sent_at
    end)::float8 as first_sent_ago,
    extract(epoch from clock_timestamp() - p.sent_at)::float8 as sent_ago,
    exists (
        select
        from runtime_vendorstate v
        where v.id = c.vendor_id
            and v.breaker = 'closed'
            and v.failures = 0
            and v.last_success_at > p.first_seen_at
    ) as vendor_works
