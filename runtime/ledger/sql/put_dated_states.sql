-- Keep states with their periods, or what they are now. Answers those that were there with another period.
with given as (
    select *
    from unnest(
        %(subjects)s::text[],
        %(records)s::text[],
        %(positions)s::bigint[],
        %(versions)s::bigint[],
        %(begins)s::text[],
        %(ends)s::text[],
        %(zones)s::text[],
        %(withdrawn)s::boolean[],
        %(payloads)s::text[]
    ) g (subject, record, position, version, begins, ends, zone, withdrawn, payload)
),
before as (
    select d.subject, d.record
    from given g
    join runtime_datedstate d
        on d.stream_id = %(stream)s and d.subject = g.subject and d.record = g.record
    where (d.begins, d.ends, d.zone, d.withdrawn) is distinct from (g.begins, g.ends, g.zone, g.withdrawn)
),
put as (
    insert into runtime_datedstate (
        stream_id, subject, record, position, version, begins, ends, zone, withdrawn, payload
    )
    select %(stream)s, subject, record, position, version, begins, ends, zone, withdrawn, payload::json
    from given
    on conflict (stream_id, subject, record) do update
    set position = excluded.position,
        version = excluded.version,
        begins = excluded.begins,
        ends = excluded.ends,
        zone = excluded.zone,
        withdrawn = excluded.withdrawn,
        payload = excluded.payload
)
select subject, record
from before
