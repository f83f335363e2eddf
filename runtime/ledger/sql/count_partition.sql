-- The messages of a partition by stream and day, before it is dropped. A day stands in one partition only, so counting
-- it twice changes nothing.
insert into runtime_dropped (data_class, stream_id, day, number)
select
    'messages',
    m.stream_id,
    (m.received_at at time zone 'utc')::date,
    count(*)
from {part} m
group by 2, 3
on conflict (data_class, stream_id, subscription_id, day) do update
set number = excluded.number, dropped_at = clock_timestamp()
