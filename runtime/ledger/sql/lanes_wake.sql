-- Wake what sleeps on these lanes and waits for no gate, locked in the order in which a change of lanes locks.
with sleeping as materialized (
    select
        p.subscription_id,
        p.lane
    from unnest(%s::smallint[], %s::smallint[]) w (stream_id, lane)
    join runtime_subscription s on s.stream_id = w.stream_id and s.open
    join runtime_progress p on p.subscription_id = s.id and p.lane = w.lane
    where p.asleep
        and not p.at_gate
    order by p.subscription_id, p.lane
    for update of p
)
update runtime_progress p
set asleep = false
from sleeping z
where p.subscription_id = z.subscription_id
    and p.lane = z.lane
