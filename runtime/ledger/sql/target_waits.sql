-- The lanes of a target from which a newer state could be sent while its replay sends: the same lane; all of them where
-- the number of lanes has changed since, for then the newer state of a key may stand in any. All are taken, or none. An
-- owner that is gone is fenced, as by a claim; what it may have sent (its open intent) is settled first.
with due as materialized (
    select
        p.lane,
        p.intent is null
        and p.not_before < clock_timestamp()
        and (p.owner is null or p.lease_until < clock_timestamp()) as free
    from runtime_progress p
    where p.subscription_id = %(original)s
        and (
            p.lane = %(lane)s
            or exists (
                select
                from runtime_lanechange c
                where c.stream_id = %(stream)s and c.first > %(first)s
            )
        )
    order by p.lane
    for update
)
update runtime_progress p
set not_before = clock_timestamp() + make_interval(secs => %(seconds)s),
    token = p.token + (p.owner is not null)::int,
    attempt = p.attempt + (p.owner is not null)::int,
    owner = null,
    session = null
from due
where p.subscription_id = %(original)s
    and p.lane = due.lane
    and not exists (
        select
        from due d
        where not d.free
    )
returning p.lane, p.token, p.position
