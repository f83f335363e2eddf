-- Store the latest version of many keys. The keys come as one text, divided by the unit separator: cheaper to send
-- than an array.
insert into runtime_head (stream_id, key, hash, version, position)
select
    %s,
    *
from unnest(string_to_array(%s, chr(31)), %s::bigint[], %s::bigint[], %s::bigint[])
on conflict (stream_id, key) do update
set hash = excluded.hash,
    version = excluded.version,
    position = excluded.position
