-- Put to sleep lanes that nobody holds, that have had no turn for a while, and whose gate stays closed. One target of
-- each kind is asked for its gate.
with waiting as materialized (
    select
        g.subscription_id,
        g.kind,
        g.opens_at
    from (
        select distinct o.subscription_id
        from runtime_progress o
        where not o.asleep
            and o.waits_since < clock_timestamp() - make_interval(secs => %s)
            and o.owner is null
            and o.intent is null
    ) w
    join runtime_gate_kind g on g.subscription_id = w.subscription_id
),
judged as materialized (
    select
        k.kind,
        runtime_is_permitted(k.one) as permitted
    from (
        select w.kind, min(w.subscription_id) as one
        from waiting w
        group by w.kind
        offset 0
    ) k
),
closed as materialized (
    select
        p.subscription_id,
        p.lane
    from waiting w
    join judged j on j.kind = w.kind
    join runtime_progress p on p.subscription_id = w.subscription_id
    where (not j.permitted or w.opens_at > clock_timestamp() + make_interval(secs => %s))
        and not p.asleep
        and p.owner is null
        and p.intent is null
    limit %s
    for update of p skip locked
)
update runtime_progress p
set asleep = true,
    at_gate = true
from closed c
where p.subscription_id = c.subscription_id
    and p.lane = c.lane
