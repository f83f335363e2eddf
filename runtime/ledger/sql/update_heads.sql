-- Change the latest version of keys whose rows were read a moment ago, by their place.
update runtime_head h
set hash = u.hash,
    version = u.version,
    position = u.position
from unnest(%s::tid[], %s::bigint[], %s::bigint[], %s::bigint[]) u (place, hash, version, position)
where h.ctid = u.place
    and h.stream_id = %s
