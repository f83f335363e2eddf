-- Wake lanes whose gate is open, or due for a probe. One that somebody else has locked is met the next time.
with sleeping as materialized (
    select
        g.subscription_id,
        g.kind,
        g.opens_at
    from (
        select distinct o.subscription_id
        from runtime_progress o
        where o.at_gate
    ) z
    join runtime_gate_kind g on g.subscription_id = z.subscription_id
),
judged as materialized (
    select
        k.kind,
        runtime_is_permitted(k.one) as permitted
    from (
        select z.kind, min(z.subscription_id) as one
        from sleeping z
        group by z.kind
        offset 0
    ) k
),
opened as materialized (
    select
        p.subscription_id,
        p.lane
    from sleeping z
    join judged j on j.kind = z.kind
    join runtime_progress p on p.subscription_id = z.subscription_id
    where j.permitted
        and z.opens_at <= clock_timestamp()
        and p.at_gate
    for update of p skip locked
)
update runtime_progress p
set asleep = false,
    at_gate = false
from opened o
where p.subscription_id = o.subscription_id
    and p.lane = o.lane
