-- Put to sleep what has still nothing to take before the `next` that was noted, and what nobody holds.
with held as materialized (
    select
        p.subscription_id,
        p.lane
    from unnest(%s::bigint[], %s::smallint[], %s::bigint[]) w (subscription_id, lane, next)
    join runtime_progress p on p.subscription_id = w.subscription_id and p.lane = w.lane
    where not p.asleep
        and p.owner is null
        and p.intent is null
        and p.position >= least(w.next - 1, p.upto)
    for update of p skip locked
)
update runtime_progress p
set asleep = true
from held h
where p.subscription_id = h.subscription_id
    and p.lane = h.lane
