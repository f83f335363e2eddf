-- Sums of days whose messages were dropped, some rows at a time.
delete from {table} d
where d.ctid = any(
    array(
        select o.ctid
        from {table} o
        where o.stream_id = %(stream)s
            and o.day <= %(until)s
            and not exists (
                select
                from runtime_dayspan p
                where p.stream_id = o.stream_id and p.day = o.day and p.month = o.month
            )
        limit %(count)s
    )
)
