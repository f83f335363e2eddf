-- What keeps a stream from getting more or fewer lanes: lanes that wait, open intents, held lanes.
select
    count(*) filter (where p.position < least(l.next - 1, coalesce(p.upto, l.next - 1))),
    count(*) filter (where p.intent is not null),
    count(*) filter (where p.owner is not null and p.lease_until > clock_timestamp())
from runtime_progress p
join runtime_subscription s on s.id = p.subscription_id
join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
where s.stream_id = %s
    and s.open
