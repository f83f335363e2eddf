-- Append a state once more, at the moment from which it counts. It is caused by the message that brought it and shares
-- its correlation; the head of the key points to it.
with head as (
    update runtime_head h
    set position = %(position)s
    from (
        select position
        from runtime_head
        where stream_id = %(stream)s and key = %(key)s
        for update
    ) before
    where h.stream_id = %(stream)s
        and h.key = %(key)s
    returning before.position
)
insert into runtime_message (
    stream_id, lane, position, key, version, previous, correlation, causation, payload
)
select
    %(stream)s,
    %(lane)s,
    %(position)s,
    %(key)s,
    %(version)s,
    coalesce((select position from head), 0),
    coalesce(
        (
            select m.correlation
            from runtime_message m
            where m.stream_id = %(stream)s and m.lane = %(of_lane)s and m.position = %(of)s
            limit 1
        ),
        %(cause)s
    ),
    %(cause)s,
    %(payload)s
