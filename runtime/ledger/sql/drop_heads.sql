-- Known keys of facts that arrived on one day in one lane, some at a time: those whose own business date lies before
-- the window, so that the same fact, should it come again, is refused as too old. Answers the last position looked at,
-- how many messages were looked at, and how many heads went.
with old as (
    select
        m.key,
        m.position,
        coalesce(m.payload ->> 'businessDate', m.payload ->> 'business_date') as day
    from runtime_message m
    where m.stream_id = %(stream)s
        and m.lane = %(lane)s
        and m.position > %(after)s
        and m.received_at >= %(since)s
        and m.received_at < %(until)s
    order by m.position
    limit %(count)s
),
gone as (
    delete from runtime_head h
    using old o
    where h.stream_id = %(stream)s
        and h.key = o.key
        and h.position = o.position
        and o.day ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}'
        and left(o.day, 10) < %(window)s
        and not exists (
            select
            from runtime_conflict c
            where c.stream_id = %(stream)s and c.key = o.key and c.state = 'open'
        )
    returning 1
)
select
    (select max(position) from old),
    (select count(*) from old),
    (select count(*) from gone)
