-- Lanes that nobody holds and that have had nothing to take for a while.
select
    s.stream_id,
    o.lane,
    o.subscription_id
from runtime_progress o
join runtime_subscription s on s.id = o.subscription_id
join runtime_lane l on l.stream_id = s.stream_id and l.lane = o.lane
where not o.asleep
    and o.waits_since < clock_timestamp() - make_interval(secs => %s)
    and o.owner is null
    and o.intent is null
    and o.position >= least(l.next - 1, o.upto)
limit %s
