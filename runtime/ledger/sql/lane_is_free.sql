-- A lane is free when its lease has ended, or when the database session of its owner has. A token fences what such an
-- owner could still write; what it could still send (its open intent) is quarantined until its lease ends. An owner
-- that is wrongly taken for gone, behind a connection pooler say, is fenced and loses time; one that is wrongly taken
-- for alive keeps the lane to its lease's end.
(
    {lane}.lease_until < clock_timestamp()
    or (
        {lane}.owner is not null
        and {lane}.session is not null
        and not exists (select from pg_stat_get_activity({lane}.session))
    )
)
