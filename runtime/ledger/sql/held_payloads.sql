-- The payloads of some messages by lane and position; one probe of the key each, whatever the statistics say.
select w.lane, w.position, m.payload
from unnest(%s::int[], %s::bigint[]) as w (lane, position)
cross join lateral (
    select m.payload
    from runtime_message m
    where m.stream_id = %s and m.lane = w.lane and m.position = w.position
    limit 1
) m
