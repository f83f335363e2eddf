-- Conflict cases of one append: each a row of its own, the key and the content make it the same case.
-- The answer: how many are new.
with put as (
    insert into runtime_conflict (stream_id, key, held_position, hash, payload, seen)
    select %s, w.key, w.position, w.hash, w.payload::json, w.seen
    from unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::int[]) as w (key, position, hash, payload, seen)
    on conflict (stream_id, key, hash) do update
    set seen = runtime_conflict.seen + excluded.seen, last_at = clock_timestamp()
    returning xmax = 0 as fresh)

select count(*) from put where fresh
