-- The same for messages in the quarantine that may go on; a dead letter gets a key of its own when it goes on.
with sent as (
    select
        q.subscription_id,
        q.lane,
        q.position,
        coalesce(q.first_sent_at, q.first_seen_at) as first_at
    from runtime_quarantine q
    where q.state <> 'dead'
        and (q.first_sent_at is not null or q.state = 'sending')
)
update runtime_quarantine q
set first_sent_at = s.first_at + make_interval(secs => %(step)s)
from sent s
where q.subscription_id = s.subscription_id
    and q.lane = s.lane
    and q.position = s.position
    and (s.first_at > clock_timestamp() or s.first_at <= clock_timestamp() - make_interval(secs => %(since)s))
