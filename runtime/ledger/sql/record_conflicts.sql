-- Conflict cases of one append: each a row of its own, the key and the content make it the same case. Of new ones no
-- more than a flow may leave in a day; what comes beyond that is counted.
-- The answer: how many are new, kept or not.
with given as materialized (
    select
        w.*,
        c.id is null as fresh,
        sum((c.id is null)::int) over (order by w.nr) as place
    from unnest(%(keys)s::text[], %(positions)s::bigint[], %(hashes)s::bigint[], %(payloads)s::text[], %(seen)s::int[])
        with ordinality as w (key, position, hash, payload, seen, nr)
    left join runtime_conflict c on c.stream_id = %(stream)s and c.key = w.key and c.hash = w.hash
),
room as (
    select case
        when exists (
            select
            from runtime_unkept u
            where u.stream_id = %(stream)s
                and u.kind = 'conflict'
                and u.source = ''
                and u.day = (now() at time zone 'utc')::date
        ) then 0
        else {kept} - (
            select count(*)
            from (
                select
                from runtime_conflict c
                where c.stream_id = %(stream)s
                    and c.at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'
                limit {kept}
            ) today
        )
    end as places
),
put as (
    insert into runtime_conflict (stream_id, key, held_position, hash, payload, seen)
    select
        %(stream)s,
        g.key,
        g.position,
        g.hash,
        g.payload::json,
        g.seen
    from given g
    cross join room
    where not g.fresh or g.place <= room.places
    on conflict (stream_id, key, hash) do update
    set seen = runtime_conflict.seen + excluded.seen, last_at = clock_timestamp()
    returning xmax = 0 as fresh
),
beyond as (
    insert into runtime_unkept as u (stream_id, kind, source, day, counted)
    select
        %(stream)s,
        'conflict',
        '',
        (now() at time zone 'utc')::date,
        sum(g.seen)
    from given g
    cross join room
    where g.fresh and g.place > room.places
    having count(*) > 0
    on conflict (stream_id, kind, source, day) do update
    set counted = u.counted + excluded.counted, last_at = clock_timestamp()
)

select
    (select count(*) from put where fresh)
    + (select count(*) from given g cross join room where g.fresh and g.place > room.places)
