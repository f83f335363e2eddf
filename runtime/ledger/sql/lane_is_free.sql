-- A lane is free when nobody holds it, when the database session of its owner has ended, or when its lease has. Nobody
-- holds one that was released, whatever the clock says; `clock` is the latest time that leases may be judged by, where
-- the worker knows that the clock was set ahead. A token fences what an owner that is gone could still write; what it
-- could still send (its open intent) is quarantined until its lease ends. An owner that is wrongly taken for gone,
-- behind a connection pooler say, is fenced and loses time; one that is wrongly taken for alive keeps the lane to its
-- lease's end.
(
    {lane}.owner is null
    or {lane}.session is null
    or {lane}.lease_until < least(clock_timestamp(), to_timestamp(%(clock)s::float8))
    or not exists (select from pg_stat_get_activity({lane}.session))
)
