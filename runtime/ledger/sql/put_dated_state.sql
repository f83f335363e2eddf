-- Keep a state with its period, or what it is now. Answers the database's time, and whether the state was there with
-- another period.
with before as (
    select begins, ends, zone, withdrawn
    from runtime_datedstate
    where stream_id = %(stream)s and subject = %(subject)s and record = %(record)s
),
put as (
    insert into runtime_datedstate (
        stream_id, subject, record, position, version, begins, ends, zone, withdrawn, payload
    )
    values (
        %(stream)s,
        %(subject)s,
        %(record)s,
        %(position)s,
        %(version)s,
        %(begins)s,
        %(ends)s,
        %(zone)s,
        %(withdrawn)s,
        %(payload)s
    )
    on conflict (stream_id, subject, record) do update
    set position = excluded.position,
        version = excluded.version,
        begins = excluded.begins,
        ends = excluded.ends,
        zone = excluded.zone,
        withdrawn = excluded.withdrawn,
        payload = excluded.payload
)
select
    clock_timestamp(),
    coalesce(
        (
            select (b.begins, b.ends, b.zone, b.withdrawn)
                is distinct from (%(begins)s::text, %(ends)s::text, %(zone)s::text, %(withdrawn)s::boolean)
            from before b
        ),
        false
    )
