-- Rejected messages of one source: each content a row of its own, and of new ones no more than a source may leave in a
-- day. What comes beyond that is counted. `last_at` is the time of the transaction, or of now for what came `late`.
-- The answer: how many were new, kept or not.
with room as (
    select case
        when exists (
            select
            from runtime_unkept u
            where u.stream_id = %(stream)s
                and u.kind = 'rejected'
                and u.source = %(source)s
                and u.day = (now() at time zone 'utc')::date
        ) then 0
        else {kept} - (
            select count(*)
            from (
                select
                from runtime_rejected r
                where r.stream_id = %(stream)s
                    and r.source = %(source)s
                    and r.at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'
                limit {kept}
            ) today
        )
    end as places
),
given as materialized (
    select
        w.*,
        k.id is null as fresh,
        sum((k.id is null)::int) over (order by w.nr) as place
    from unnest(
        %(keys)s::text[], %(digests)s::text[], %(classes)s::text[], %(fingerprints)s::text[], %(reasons)s::text[],
        %(raws)s::text[], %(seen)s::int[], %(late)s::bool[]
    ) with ordinality as w (key, digest, reason_class, fingerprint, reason, raw, seen, late, nr)
    left join runtime_rejected k on k.stream_id = %(stream)s and k.digest = w.digest
),
put as (
    insert into runtime_rejected (
        stream_id, run_id, source, key, digest, reason_class, fingerprint, reason, raw, seen, last_at
    )
    select
        %(stream)s,
        %(run)s::bigint,
        %(source)s,
        g.key,
        g.digest,
        g.reason_class,
        g.fingerprint,
        g.reason,
        g.raw,
        g.seen,
        case when g.late then clock_timestamp() else now() end
    from given g
    cross join room
    where not g.fresh or g.place <= room.places
    order by g.nr
    on conflict (stream_id, digest) do update
    set seen = runtime_rejected.seen + excluded.seen, last_at = excluded.last_at
    returning xmax = 0 as fresh
),
beyond as (
    insert into runtime_unkept as u (stream_id, kind, source, day, counted)
    select
        %(stream)s,
        'rejected',
        %(source)s,
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
